"""What the pinned OpenAI SDK can ask: every method of its resources, read from its source."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import openai

_ROOT = Path(openai.__file__).parent / "resources"
_SENDS = {"_get": "GET", "_get_api_list": "GET", "_post": "POST", "_put": "PUT", "_patch": "PATCH", "_delete": "DELETE"}


class Operation(NamedTuple):
    """One method and what it sends."""

    name: str  # module.Class.method
    method: str
    path: str  # "/files/{}", without a query


def operations() -> Iterator[Operation]:
    """Those of the synchronous classes; the asynchronous ones send the same. The provider's administration is left out."""
    for file in sorted(_ROOT.rglob("*.py")):
        module = ".".join(file.relative_to(_ROOT).with_suffix("").parts)
        if module.startswith("admin"):
            continue
        for made in ast.parse(file.read_text()).body:
            if isinstance(made, ast.ClassDef) and not made.name.startswith("Async") and "With" not in made.name:
                for method in made.body:
                    if isinstance(method, ast.FunctionDef):
                        yield from _sent(f"{module}.{made.name}.{method.name}", method)


def sockets() -> set[str]:
    """The modules with a `connect`: what speaks over a WebSocket."""
    return {
        ".".join(file.relative_to(_ROOT).with_suffix("").parts)
        for file in _ROOT.rglob("*.py")
        if re.search(r"^    def connect\(", file.read_text(), re.MULTILINE)
    }


def _sent(name: str, method: ast.FunctionDef) -> Iterator[Operation]:
    for node in ast.walk(method):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _SENDS:
            verb = _SENDS[node.func.attr]
            for keyword in node.keywords:
                if keyword.arg == "method":
                    verb = ast.literal_eval(keyword.value).upper()
            paths = [
                each.value
                for each in ast.walk(node.args[0])
                if isinstance(each, ast.Constant) and isinstance(each.value, str) and each.value.startswith("/")
            ]
            assert len(paths) == 1, f"{name}: which path does it send to?"
            yield Operation(name, verb, re.sub(r"\{[^}]*\}", "{}", paths[0].partition("?")[0]))
