"""`python -m release.sbom IMAGE`: the bill of materials of an image, as CycloneDX 1.6 JSON, from its lock file.

It names every Python package with its version, hashes and licences and what needs what, and the base image by its digest.
What the base holds is its own publisher's bill, and the release's scan reads both. The same inputs make the same bytes.
"""

import argparse
import hashlib
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, requires, version
from os import environ
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.dependency import Dependency
from cyclonedx.model.license import License, LicenseAcknowledgement
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from release.licences import licences_of
from release.locks import IMAGES, ROOT, Locked, environment, lock_file, read_lock
from release.output import deliver

# Classifiers that mean one SPDX licence; others (`BSD License`) mean several and stay as they are said.
_SPDX = {
    "Apache Software License": "Apache-2.0",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
_LICENCES = LicenseFactory()


class SbomError(Exception):
    """No bill can be made that would be true; the message says what to do."""


def bill_of(image: str, *, at: datetime, python: str) -> str:
    """The bill of an image as JSON, valid by the schema. `python`: the base's, such as 3.11.14. Raises `SbomError`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locked = {one.name: one for one in read_lock(lock_file(image)) if one.applies(python)}
    needs = dict(_dependencies(project, image, locked, python))
    libraries = {name: _library(one) for name, one in locked.items()}
    base = base_image()
    root = Component(
        type=ComponentType.CONTAINER,
        name=f"aduana-{image}",
        version=project["version"],
        bom_ref=f"aduana-{image}@{project['version']}",
        licenses=_named([project["license"]]),
    )
    bom = Bom(components=[*libraries.values(), base])
    bom.metadata.component = root
    bom.metadata.timestamp = at
    bom.serial_number = uuid5(
        NAMESPACE_URL, f"{root.bom_ref}:{hashlib.sha256(repr((base.purl, locked)).encode()).hexdigest()}"
    )
    bom.dependencies = [
        Dependency(root.bom_ref, [Dependency(base.bom_ref), *(Dependency(libraries[n].bom_ref) for n in needs[""])]),
        *(
            Dependency(part.bom_ref, [Dependency(libraries[n].bom_ref) for n in needs[name]])
            for name, part in libraries.items()
        ),
        Dependency(base.bom_ref),
    ]
    text = JsonV1Dot6(bom).output_as_string(indent=2)
    if wrong := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        raise SbomError(f"the bill of {image} is no CycloneDX 1.6: {wrong}")
    return text + "\n"


def base_image() -> Component:
    """What the Dockerfile stands on, by digest. Raises `SbomError` where it names none."""
    said = re.search(r"^ARG BASE=(\S+)/(\S+?):(\S+)@(sha256:[0-9a-f]{64})$", (ROOT / "Dockerfile").read_text(), re.M)
    if said is None:
        raise SbomError("the Dockerfile's BASE names no tag with a digest")
    registry, repository, tag, digest = said.groups()
    name = repository.rpartition("/")[2]
    purl = PackageURL("oci", None, name, digest, {"repository_url": f"{registry}/{repository}", "tag": tag})
    return Component(
        type=ComponentType.CONTAINER, name=f"{registry}/{repository}", version=tag, purl=purl, bom_ref=purl.to_string()
    )


def _library(one: Locked) -> Component:
    try:
        installed = version(one.name)
    except PackageNotFoundError:
        raise SbomError(
            f"{one.name} is not installed, so its licence is not known: run `make lint`, on Linux"
        ) from None
    if installed != one.version:
        raise SbomError(f"{one.name} is installed as {installed} and locked as {one.version}: run `make lint`")
    purl = PackageURL("pypi", None, one.name, one.version)
    return Component(
        type=ComponentType.LIBRARY,
        name=one.name,
        version=one.version,
        purl=purl,
        bom_ref=purl.to_string(),
        licenses=_named(licences_of(one.name)),
        external_references=[
            ExternalReference(
                type=ExternalReferenceType.DISTRIBUTION,
                url=XsUri(purl.to_string()),
                comment="one of these files, by the platform",
                hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest) for digest in one.hashes],
            )
        ],
    )


def _named(said: Iterable[str]) -> list[License]:
    return [
        _LICENCES.make_from_string(_SPDX.get(one, one), license_acknowledgement=LicenseAcknowledgement.DECLARED)
        for one in said
    ]


def _dependencies(
    project: Mapping[str, object], image: str, locked: Mapping[str, Locked], python: str
) -> Iterator[tuple[str, list[str]]]:
    """What needs what, by name; "" is the image itself. Only what is locked counts: that is what is installed."""
    extras = project["optional-dependencies"]
    assert isinstance(extras, dict)
    direct = [Requirement(text) for text in [*project["dependencies"], *extras[image]]]  # type: ignore[misc]
    asked: dict[str, set[str]] = {}  # the extras that somebody asks of a package
    found: dict[str, set[str]] = {"": set()}
    waiting = [("", requirement) for requirement in direct]
    variables = environment(python)
    while waiting:
        parent, requirement = waiting.pop()
        wanted = {"", *asked.get(parent, ())}
        name = canonicalize_name(requirement.name)
        holds = requirement.marker is None or any(
            requirement.marker.evaluate({**variables, "extra": e}) for e in wanted
        )
        if name not in locked or not holds:
            continue
        found.setdefault(parent, set()).add(name)
        if name not in asked or not requirement.extras <= asked[name]:
            asked[name] = asked.get(name, set()) | requirement.extras
            waiting += [(name, Requirement(text)) for text in requires(name) or ()]
    yield from ((name, sorted(found.get(name, ()))) for name in ["", *locked])


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0 written, 1 no true bill can be made, 2 wrong usage."""
    parser = argparse.ArgumentParser(
        prog="python -m release.sbom", description="Write an image's bill of materials (CycloneDX 1.6)."
    )
    parser.add_argument("image", choices=IMAGES)
    parser.add_argument("--output", type=Path, metavar="FILE", help="where it goes (default: standard output)")
    parser.add_argument(
        "--python", default="3.11.14", metavar="VERSION", help="the base image's Python (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    epoch = environ.get("SOURCE_DATE_EPOCH")
    at = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
    try:
        deliver(bill_of(options.image, at=at, python=options.python), options.output)
    except (SbomError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
