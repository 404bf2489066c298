"""The simulated azurerm's tables, held to the schema that they speak of, and the schema to a later azurerm's."""

from collections.abc import Iterator
from typing import Any

from tests.simulators.azurerm import arguments, computed, digest, ids, references, schema
from tests.simulators.azurerm.schema import Attribute, Block, NestedBlock

_SIMPLE = {"string": "string", "number": "number", "bool": "boolean"}

# What azurerm 5.10 says otherwise than 5.2.
_LATER = {("azurerm_storage_account", "public_network_access_enabled"): "optional and computed"}


def paths_of(block: Block, path: str = "") -> Iterator[tuple[str, Attribute | NestedBlock]]:
    for name, attribute in block.attributes.items():
        yield path + name, attribute
    for name, nested in block.blocks.items():
        yield path + name, nested
        if name != "timeouts":
            yield from paths_of(nested.block, f"{path}{name}.")


def kind_of(type_: Any) -> str:
    if isinstance(type_, str):
        return _SIMPLE[type_]
    if type_[0] == "map":
        return "map"
    return "list" if isinstance(type_[1], str) else "nested"


def test_what_the_schema_has_a_later_azurerm_has_too():
    later = digest.load()
    differences = {}
    for name, type_ in schema.load().resources.items():
        for path, ours in paths_of(type_.block):
            theirs = later[name].get(path)
            if theirs is None:
                differences[name, path] = "gone"
            elif isinstance(ours, Attribute):
                flags = (ours.required, ours.optional, ours.computed, kind_of(ours.type))
                if flags != (theirs.required, theirs.optional, theirs.computed, theirs.kind):
                    said = (word for word in ("required", "optional", "computed") if getattr(theirs, word))
                    differences[name, path] = " and ".join(said)
    assert differences == _LATER


def test_every_fact_of_an_argument_is_one_of_an_argument_of_that_type():
    for name, type_ in schema.load().resources.items():
        known, paths = arguments.of(name), dict(paths_of(type_.block))
        said = (known.forces_new, known.defaults, known.values, known.ranges, known.patterns)
        for path in {path for table in said for path in table}:
            fact = paths[path]
            if isinstance(fact, Attribute):
                assert fact.optional or fact.required, (name, path)
        for path, default in known.defaults.items():
            fact = paths[path]
            assert isinstance(fact, Attribute)
            assert isinstance(default, {"string": str, "number": int | float, "bool": bool}[fact.type]), (name, path)
            assert default == "" or default in known.values.get(path, [default]), (name, path)


def test_every_type_has_an_id_that_is_made_of_its_own_arguments_and_taken_apart_again():
    resources = schema.load().resources
    assert resources.keys() == ids.NAMINGS.keys()
    for name, naming in ids.NAMINGS.items():
        assert set(naming.arguments) <= resources[name].block.attributes.keys(), name
        opens = naming.template.partition("}")[0].removeprefix("{")
        values = {argument: "/subscriptions/s" if argument == opens else argument for argument in naming.arguments}
        made = naming.id("s", values)
        assert naming.exact.fullmatch(made), name
        assert naming.parse(made.upper()) is not None, name


def test_every_argument_that_names_another_resource_is_known_in_some_type():
    resources = schema.load().resources
    everywhere = {path.rpartition(".")[2] for type_ in resources.values() for path, _ in paths_of(type_.block)}
    for name, wanted in references.REFERENCES.items():
        assert wanted in resources
        type_name, _, path = name.partition(".")
        known = dict(paths_of(resources[type_name].block)) if path else everywhere
        assert (path or name) in known, name


def test_every_value_that_azure_gives_is_one_that_the_schema_says_is_computed():
    resources = schema.load().resources
    for name in computed.GIVERS:
        type_name, _, path = name.partition(".")
        attribute = dict(paths_of(resources[f"azurerm_{type_name}"].block))[path]
        assert isinstance(attribute, Attribute) and attribute.computed, name
