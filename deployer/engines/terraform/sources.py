"""The stack's Terraform text: where it is, what it declares, and what it sums up to."""

import hashlib
import re
import shutil
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from deployer.engines.errors import EngineError

_NOT_SHIPPED = frozenset({".terraform", "examples", "tests", "__pycache__"})
_BLOCK = re.compile(r'^(?P<kind>[a-z_]+)(?:[ \t]+"(?P<name>[\w-]+)")?(?:[ \t]+"[\w-]+")?[ \t]*\{', re.MULTILINE)
_SENSITIVE = re.compile(r"^[^#\n]*\bsensitive\s*=\s*true\b", re.MULTILINE)


def shipped_stack() -> Path:
    """The stack that this Aduana brings: `terraform/` of a checkout, or its copy in an installed package."""
    installed = Path(str(files("deployer"))) / "stack"
    checkout = Path(str(files("deployer"))).parent / "terraform"
    for place in (installed, checkout):
        if any(place.glob("*.tf")):
            return place
    raise EngineError(
        "the stack's Terraform files are missing from this installation",
        f"looked in {installed} and {checkout}",
        "Install Aduana anew.",
        code="no_stack",
    )


def declared_outputs(source: Path) -> dict[str, bool]:
    """A module's outputs by name, and whether each is sensitive. Blocks begin a line, as `terraform fmt` has it."""
    outputs: dict[str, bool] = {}
    for path in sorted(source.glob("*.tf")):
        text = path.read_text(encoding="utf-8")
        blocks = list(_BLOCK.finditer(text))
        ends = [*(block.start() for block in blocks[1:]), len(text)]
        for block, end in zip(blocks, ends, strict=True):
            if block["kind"] == "output":
                outputs[block["name"]] = _SENSITIVE.search(text[block.end() : end]) is not None
    return outputs


def digest_of_sources(source: Path) -> str:
    """SHA-256, in hexadecimal, of every file of the module and of what it calls beneath it."""
    whole = hashlib.sha256()
    for path in _files(source):
        content = path.read_bytes().replace(b"\r\n", b"\n")
        whole.update(f"{path.relative_to(source).as_posix()}\0{len(content)}\0".encode())
        whole.update(content)
    return whole.hexdigest()


def copy_sources(source: Path, to: Path) -> None:
    """Make `to` the same as the module, leaving nothing else in it."""
    shutil.rmtree(to, ignore_errors=True)
    for path in _files(source):
        target = to / path.relative_to(source)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copyfile(path, target)


def _files(source: Path) -> Iterator[Path]:
    for path in sorted(source.rglob("*")):
        below = path.relative_to(source).parts
        hidden = any(part in _NOT_SHIPPED or part.startswith(".") for part in below)
        if path.is_file() and not hidden and not path.name.endswith((".tftest.hcl", ".tfstate", ".tfvars", ".md")):
            yield path
