"""`python -m release.tag TAG`: whether a tag names the version that `pyproject.toml` says. Needs nothing installed."""

import argparse
import sys
import tomllib
from pathlib import Path


def version() -> str:
    """The version of this tree."""
    return str(tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]["version"])


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0 it does, 2 wrong usage, 3 it does not."""
    parser = argparse.ArgumentParser(prog="python -m release.tag", description="Check a tag against the version.")
    parser.add_argument("tag", help="such as v1.2.3")
    tag = parser.parse_args(arguments).tag
    if tag == f"v{version()}":
        return 0
    print(
        f"error: the tag {tag} is not the version: pyproject.toml says {version()}, so the tag is v{version()}",
        file=sys.stderr,
    )
    return 3


if __name__ == "__main__":
    sys.exit(main())
