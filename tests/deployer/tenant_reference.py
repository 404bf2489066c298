"""The tables of docs/tenant-file.md, from the code: `python -m tests.deployer.tenant_reference` writes them anew."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from deployer.names import NAME_RULES
from deployer.regions import AS_OF, REGIONS
from deployer.tenant.outline import Setting, outline

DOCUMENT = Path(__file__).parents[2] / "docs" / "tenant-file.md"


def with_tables(text: str) -> str:
    """The document with its tables as they are to be: each between `<!-- name -->` and `<!-- end -->`."""
    tables = {"settings": _settings(), "names": _names(), "regions": _regions()}
    for name, table in tables.items():
        mark = f"<!-- {name} -->"
        text, found = re.subn(
            f"{mark}\n.*?<!-- end -->", lambda _, t=table, m=mark: f"{m}\n{t}\n<!-- end -->", text, flags=re.S
        )
        assert found == 1, name
    return text


def _settings() -> str:
    top = [setting for setting in outline() if setting.kind == "value"]
    tables = [_table(top)]
    for setting in outline():
        if setting.kind != "value":
            tables.append(f"### {setting.name}\n\n{setting.explanation}\n\n" + _table(list(_below(setting.inside, ""))))
    return "\n\n".join(tables)


def _below(settings: tuple[Setting, ...], above: str) -> Iterator[Setting]:
    """Leaves and headings of a section, each named from the section."""
    for setting in settings:
        name = above + setting.name + ("[]" if setting.kind == "items" else "")
        yield replace(setting, name=name)
        yield from _below(setting.inside, f"{name}.")


def _table(settings: list[Setting]) -> str:
    rows = ["| setting | what | allowed | default |", "|---|---|---|---|"]
    for setting in settings:
        name = f"**`{setting.name}`**" if setting.required else f"`{setting.name}`"
        form = setting.form if setting.kind == "value" else {"items": "list"}.get(setting.kind, "")
        rows.append(f"| {name} | {setting.explanation} | {_cell(form)} | {_default(setting)} |")
    return "\n".join(rows)


def _default(setting: Setting) -> str:
    if setting.kind != "value" or setting.default in (None, (), {}):
        return ""
    return f"`{str(setting.default).lower() if isinstance(setting.default, bool) else setting.default}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _names() -> str:
    rows = ["| type | ending | characters | unique in the world |", "|---|---|---|---|"]
    for rule in NAME_RULES.values():
        ending = f"`{rule.ending}`" if rule.ending else ""
        rows.append(
            f"| {rule.type} | {ending} | {rule.shortest} to {rule.longest} | {'yes' if rule.in_the_world else ''} |"
        )
    return "\n".join(rows)


def _regions() -> str:
    without = ", ".join(f"`{name}`" for name, facts in REGIONS.items() if not facts.zones)
    unpaired = ", ".join(f"`{name}`" for name, facts in REGIONS.items() if facts.pair is None)
    return f"As of {AS_OF}:\n\n- without availability zones: {without}\n- without a paired region: {unpaired}"


if __name__ == "__main__":
    DOCUMENT.write_text(with_tables(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
