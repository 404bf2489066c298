"""A later azurerm's schema, in short: what its prebuilt bindings for CDK Terrain say of each argument.

    pip download --no-deps cdktn-provider-azurerm==18.9.0
    python -m tests.simulators.azurerm.digest cdktn_provider_azurerm-18.9.0-py3-none-any.whl

writes `digest-5.10.0.json.xz` anew, for the package (45 MB) is too large for the tests' environment: the types in `schema`
alone, without data sources. The bindings' JavaScript has, of every attribute, whether it is computed, optional or required.
"""

import io
import json
import lzma
import re
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

VERSION = "5.10.0"
_FILE = Path(__file__).with_name(f"digest-{VERSION}.json.xz")

_CLASS = re.compile(r"^(?:export )?class (\w+) extends", re.MULTILINE)
_TYPE = re.compile(r'static tfResourceType = "(azurerm_\w+)"')
_VERSION = re.compile(r"providerVersion: '([\d.]+)'")
_FLAGS = re.compile(r"// (\w+) - computed: (\w+), optional: (\w+), required: (\w+)\n(.*?)\n    }", re.DOTALL)
_GETTER = re.compile(r"get(String|Number|Boolean|List|NumberList|StringMap|BooleanMap|NumberMap|AnyMap)Attribute\(")
_NESTED = re.compile(r"new (\w+?)(?:List|OutputReference|Map)\(this, [\"'](\w+)[\"']")


@dataclass(frozen=True, slots=True)
class Told:
    """What is told of one attribute or block, by its dotted path."""

    required: bool
    optional: bool
    computed: bool
    kind: str
    """`string`, `number`, `boolean`, `list` (or a set), `map`, or `nested`."""


@cache
def load() -> dict[str, dict[str, Told]]:
    """By type and path."""
    document = json.loads(lzma.decompress(_FILE.read_bytes()))
    return {
        name: {path: Told("r" in flags, "o" in flags, "c" in flags, kind) for path, (flags, kind) in paths.items()}
        for name, paths in document.items()
    }


def _of_source(text: str) -> dict[str, tuple[str, str]]:
    starts = [*_CLASS.finditer(text)]
    ends = [*(match.start() for match in starts[1:]), len(text)]
    bodies = {match.group(1): text[match.start() : end] for match, end in zip(starts, ends, strict=True)}
    main = next(name for name, body in bodies.items() if _TYPE.search(body))
    found: dict[str, tuple[str, str]] = {}

    def walk(body: str, path: str) -> None:
        nested = {name: class_name for class_name, name in _NESTED.findall(body)}
        for name, computed, optional, required, getter in _FLAGS.findall(body):
            letters = zip("roc", (required, optional, computed), strict=True)
            flags = "".join(letter for letter, said in letters if said == "true")
            inner = bodies.get(f"{nested.get(name)}OutputReference")
            kind = _GETTER.search(getter)
            # A map that is computed has an object of the bindings' own in place of a getter.
            plain = _kind(kind.group(1)) if kind else "map"
            found[path + name] = (flags, plain if inner is None else "nested")
            if inner is not None:
                walk(inner, f"{path}{name}.")

    walk(bodies[main], "")
    return found


def _kind(getter: str) -> str:
    return "map" if getter.endswith("Map") else "list" if getter.endswith("List") else getter.lower()


def _of_wheel(wheel: Path, wanted: set[str]) -> dict[str, Any]:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith(".jsii.tgz"))
        packed = io.BytesIO(archive.read(name))
    found = {}
    with tarfile.open(fileobj=packed) as sources:
        for member in sources:
            folder = member.name.split("/")
            if not member.name.endswith("/index.js") or folder[-2].startswith("data-azurerm"):
                continue
            file = sources.extractfile(member)
            text = file.read().decode() if file else ""
            named = _TYPE.search(text)
            if named and named.group(1) in wanted:
                version = _VERSION.search(text)
                assert version and version.group(1) == VERSION, f"{member.name} is of {version}"
                found[named.group(1)] = _of_source(text)
    return found


def main(wheel: str) -> None:
    """Write the digest of a wheel."""
    from tests.simulators.azurerm import schema

    found = _of_wheel(Path(wheel), set(schema.load().resources))
    text = json.dumps(found, sort_keys=True, separators=(",", ":"))
    _FILE.write_bytes(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))
    print(f"{len(found)} types in {_FILE.name}, {_FILE.stat().st_size} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
