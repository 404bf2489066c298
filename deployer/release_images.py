"""A release's `images.yaml`: what its images are, by digest."""

from collections.abc import Mapping
from pathlib import Path

from core.seed.document import Fields, Scalar, read_document
from deployer.errors import USAGE, CommandError


def read_release(file: Path) -> Mapping[str, str]:
    """The images, by their paths in a tenant file. Raises `CommandError`."""
    try:
        root, findings = read_document(file)
    except OSError as error:
        raise CommandError(
            f"{file} cannot be read",
            error.strerror or type(error).__name__,
            "Name the release's images.yaml.",
            "no_file",
        ) from None
    inner = root.values.get("images", root) if isinstance(root, Fields) else None
    found = {
        f"images.{name}": node.text
        for name in ("proxy", "admin", "job")
        if isinstance(inner, Fields) and isinstance(node := inner.values.get(name), Scalar)
    }
    if findings or len(found) < 3:
        why = str(findings[0]) if findings else "it does not name the images proxy, admin and job"
        raise CommandError(f"{file} holds no images", why, "Name the release's images.yaml.", "usage", exit_code=USAGE)
    return found
