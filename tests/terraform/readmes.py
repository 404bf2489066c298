"""The README of each Terraform module, from what the module declares. `python -m tests.terraform.readmes` writes them."""

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hcl2

STACK = Path(__file__).parents[2] / "terraform"
_REGISTRY = "https://registry.terraform.io/providers/hashicorp/azurerm/latest/docs/resources"


@dataclass(frozen=True, slots=True)
class Module:
    """What a directory of Terraform files declares, by name."""

    path: Path
    about: str  # the comment that its main.tf begins with
    variables: Mapping[str, Mapping[str, Any]]
    outputs: Mapping[str, Mapping[str, Any]]
    resources: Mapping[str, set[str]]  # by type: the names
    calls: set[str]  # the modules that it uses


def modules() -> Iterator[Path]:
    """The directories that have a README made: the stack, its modules and its examples."""
    yield STACK
    for kind in ("modules", "examples"):
        yield from sorted(path for path in (STACK / kind).iterdir() if path.is_dir())


def read_module(path: Path) -> Module:
    """Read all its files."""
    variables: dict[str, Mapping[str, Any]] = {}
    outputs: dict[str, Mapping[str, Any]] = {}
    resources: dict[str, set[str]] = {}
    calls: set[str] = set()
    for file in sorted(path.glob("*.tf")):
        document = hcl2.loads(file.read_text())
        for block in document.get("variable", []):
            variables |= {_bare(name): body for name, body in block.items()}
        for block in document.get("output", []):
            outputs |= {_bare(name): body for name, body in block.items()}
        for block in document.get("resource", []):
            for type_, named in block.items():
                resources.setdefault(_bare(type_), set()).update(_bare(name) for name in named if name[0] == '"')
        for block in document.get("module", []):
            calls |= {_bare(body["source"]) for body in block.values()}
    return Module(path, _about(path), variables, outputs, resources, calls)


def _about(path: Path) -> str:
    lines: list[str] = []
    for line in (path / "main.tf").read_text().splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").removeprefix(" "))
    return " ".join(lines[: lines.index("")] if "" in lines else lines)


def readme(module: Module) -> str:
    """The text."""
    relative = module.path.relative_to(STACK.parent)
    lines = [f"# {relative.as_posix()}", "", *_wrapped(module.about), ""]
    if module.variables:
        lines += ["## Variables", "", "| name | type | default | what it is |", "|---|---|---|---|"]
        lines += [
            f"| `{name}` | {_type(body)} | {_default(body)} | {_text(body)} |"
            for name, body in sorted(module.variables.items())
        ]
        lines.append("")
    if module.outputs:
        lines += ["## Outputs", "", "| name | what it is |", "|---|---|"]
        lines += [f"| `{name}` | {_text(body)} |" for name, body in sorted(module.outputs.items())]
        lines.append("")
    if module.resources:
        lines += ["## Resources", ""]
        lines += [_resource(type_, names) for type_, names in sorted(module.resources.items())]
        lines.append("")
    if module.calls:
        lines += ["## Modules", "", *(f"- [{call}]({call})" for call in sorted(module.calls)), ""]
    return "\n".join(lines)


def _resource(type_: str, names: set[str]) -> str:
    shown = f"`{type_}`" if type_ == "terraform_data" else f"[{type_}]({_REGISTRY}/{type_.removeprefix('azurerm_')})"
    return f"- {shown}: {', '.join(sorted(names))}"


def _wrapped(text: str, width: int = 128) -> Iterator[str]:
    line = ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            yield line
            line = word
        else:
            line = f"{line} {word}".strip()
    yield line


def _bare(text: str) -> str:
    return text.strip('"')


def _text(body: Mapping[str, Any]) -> str:
    return _bare(str(body.get("description", ""))).replace("|", "\\|")


def _type(body: Mapping[str, Any]) -> str:
    text = str(body["type"]).removeprefix("${").removesuffix("}")
    simple = re.match(r"(?:(?:list|map|set)\()?\w+", text)
    return f"`{text}`" if "{" not in text else f"`{simple[0] if simple else 'object'}`, see `variables.tf`"


def _default(body: Mapping[str, Any]) -> str:
    if "default" not in body:
        return "(must be given)"
    value = body["default"]
    return "–" if value in (None, "null") else f"`{_json(value)}`"


def _json(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        inner = ", ".join(f"{_bare(key)} = {_json(each)}" for key, each in value.items() if key != "__is_block__")
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(_json, value))}]"
    return str(value)


def main() -> int:
    """Write all of them."""
    for path in modules():
        (path / "README.md").write_text(readme(read_module(path)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
