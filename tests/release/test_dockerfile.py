"""The Dockerfile as it is read; `make lint` runs hadolint over it, `make test-full` builds it (test_images.py)."""

import re

import pytest

from release.locks import IMAGES, ROOT
from release.tag import version

TEXT = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text())
STAGES = {
    head.split(" AS ")[1]: (head.split(" AS ")[0], body.strip().splitlines())
    for head, _, body in (stage.partition("\n") for stage in re.split(r"^FROM ", TEXT, flags=re.M)[1:])
}


def lines(stage: str, instruction: str) -> list[str]:
    """The arguments of an instruction, in a stage and those that it is made from."""
    if stage not in STAGES:
        return []
    parent, body = STAGES[stage]
    return [
        *lines(parent, instruction),
        *(line.partition(" ")[2] for line in body if line.startswith(instruction + " ")),
    ]


def test_everything_stands_on_one_base_that_is_pinned_by_its_digest():
    assert re.search(r"^ARG BASE=[\w.-]+/[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}$", TEXT, re.M)
    assert {parent for parent, _ in STAGES.values()} - set(STAGES) == {"scratch", "${BASE}"}


@pytest.mark.parametrize(
    ("image", "rooms"), [("proxy", ["core", "proxy"]), ("admin", ["core", "admin"]), ("job", ["core", "deployer"])]
)
def test_an_image_holds_its_rooms_and_the_packages_of_its_lock_file(image, rooms):
    assert lines(image, "COPY") == [f"--from={image}-packages /opt/aduana /opt/aduana"]
    packages = STAGES[f"{image}-packages"][1]
    assert f"COPY requirements-{image}.lock ./" in packages
    install, unpack = (line for line in packages if line.startswith("RUN "))
    assert f"install --no-deps --require-hashes -r requirements-{image}.lock" in install
    assert re.findall(r"/wheel/(\w+) ", unpack) == rooms
    assert "compileall" in unpack


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_runs_as_a_numbered_user_says_what_it_is_and_installs_nothing(image):
    assert lines(image, "USER") == ["65532:65532"]
    labels = dict(re.findall(r'org\.opencontainers\.image\.(\S+)="([^"]*)"', " ".join(lines(image, "LABEL"))))
    assert labels["title"] == f"aduana-{image}"
    assert labels["version"] == "${VERSION}"
    assert f"VERSION={version()} " in " ".join(lines(image, "ARG"))
    assert {"description", "licenses", "vendor", "revision", "source", "base.name"} <= set(labels)
    assert not re.search(r"pip install|apt-get|curl|wget", " ".join(lines(image, "RUN")))


def test_the_services_have_a_health_check_and_the_job_says_that_it_has_none():
    for image in ("proxy", "admin"):
        assert lines(image, "HEALTHCHECK")[0].endswith('CMD ["python3", "-m", "core.healthcheck"]')
    assert lines("job", "HEALTHCHECK") == ["NONE"]


def test_what_is_copied_exists_and_no_secret_or_state_goes_into_a_build():
    for source in re.findall(r"^COPY (requirements\S+) ", TEXT, re.M):
        assert (ROOT / source).is_file()
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {".git", ".venv", ".aduana", "**/*.tfstate*", "**/.env*", "tests/*"} <= set(ignored)
