"""The release workflow. `make lint` holds it to GitHub's schema and zizmor's rules; here is what is ours."""

import re

import pytest
import yaml

from release.locks import IMAGES, ROOT

TEXT = (ROOT / ".github/workflows/release.yml").read_text()
WORKFLOW = yaml.safe_load(TEXT)
JOBS = WORKFLOW["jobs"]


def test_every_action_is_pinned_by_a_commit_and_says_which_release_that_is():
    used = re.findall(r"uses: (\S+)(.*)", TEXT)
    assert len(used) == sum("uses" in step for job in JOBS.values() for step in job["steps"])
    for action, comment in used:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", action), action
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment), action
    assert len({action.partition("@")[0] for action, _ in used}) == len({action for action, _ in used})


@pytest.mark.parametrize(
    ("job", "permissions"),
    [
        ("check", {"contents": "read"}),
        ("images", {"contents": "read", "packages": "write", "id-token": "write", "attestations": "write"}),
        ("installer", {"contents": "read", "id-token": "write", "attestations": "write"}),
        ("publish", {"contents": "write"}),
    ],
)
def test_a_job_may_do_what_it_needs_and_no_more(job, permissions):
    assert JOBS[job]["permissions"] == permissions


def test_no_job_may_do_anything_by_default_and_none_is_unknown():
    assert WORKFLOW["permissions"] == {}
    assert set(JOBS) == {"check", "images", "installer", "publish"}
    assert list(WORKFLOW[True]) == ["push"]  # YAML 1.1 reads `on` as true
    assert list(WORKFLOW[True]["push"]) == ["tags"]


def test_nothing_is_published_before_the_tests_passed_and_the_scan_found_nothing():
    assert JOBS["images"]["needs"] == JOBS["installer"]["needs"] == "check"
    assert set(JOBS["publish"]["needs"]) == {"images", "installer"}
    steps = [step.get("id") or step.get("name") or step["uses"] for step in JOBS["images"]["steps"]]
    assert steps.index("Scan") < steps.index("push") < steps.index("Sign") < steps.index("Remember the digest")
    scan = next(step for step in JOBS["images"]["steps"] if step.get("name") == "Scan")["with"]
    assert (scan["fail-build"], scan["severity-cutoff"]) == (True, "high")


def test_every_image_is_built_for_both_architectures_and_the_providers_for_every_machine():
    assert tuple(JOBS["images"]["strategy"]["matrix"]["image"]) == IMAGES
    push = next(step for step in JOBS["images"]["steps"] if step.get("id") == "push")["with"]
    assert push["platforms"] == "linux/amd64,linux/arm64"
    lock = next(step for step in JOBS["installer"]["steps"] if step.get("name") == "Lock the providers")["run"]
    assert list((ROOT / "terraform").glob("*.tf"))
    assert "-chdir=terraform " in lock
    machines = {"linux_amd64", "linux_arm64", "darwin_amd64", "darwin_arm64", "windows_amd64"}
    assert set(re.findall(r"-platform=(\S+)", lock)) == machines
