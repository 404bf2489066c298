"""`python -m release.digests DIRECTORY`: what a release's images are, as the lines that a tenant file takes.

DIRECTORY holds a file an image (`proxy`, `admin`, `job`) with its reference, by digest, as the release workflow wrote it.
"""

import argparse
import sys
from pathlib import Path

from pydantic import ValidationError

from deployer.tenant.workload import Images
from release.locks import IMAGES
from release.output import deliver
from release.tag import version


class DigestError(Exception):
    """A reference is missing, or is none that a tenant file takes."""


def read_references(directory: Path) -> Images:
    """The images of a release. Raises `DigestError`."""
    said = {}
    for image in IMAGES:
        try:
            said[image] = (directory / image).read_text().strip()
        except OSError as error:
            raise DigestError(
                f"the reference of {image} cannot be read from {directory / image}: {error.strerror}"
            ) from None
    try:
        return Images.model_validate(said)
    except ValidationError as error:
        names = ", ".join(f"{part['loc'][0]} ({part['input']})" for part in error.errors())
        raise DigestError(f"not a reference with a tag and a digest: {names}") from None


def lines(images: Images) -> str:
    """A tenant file's `images:`, as YAML."""
    parts = "".join(f"  {image}: {getattr(images, image)}\n" for image in IMAGES)
    return f"# Aduana {version()}: these lines go into the tenant file.\nimages:\n{parts}"


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0 written, 1 a reference is missing or wrong, 2 wrong usage."""
    parser = argparse.ArgumentParser(
        prog="python -m release.digests", description="Write a tenant file's `images:` for a release."
    )
    parser.add_argument("directory", type=Path, metavar="DIRECTORY", help="a file an image with its reference")
    parser.add_argument("--output", type=Path, metavar="FILE", help="where they go (default: standard output)")
    options = parser.parse_args(arguments)
    try:
        deliver(lines(read_references(options.directory)), options.output)
    except (DigestError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
