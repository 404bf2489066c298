"""The bills of materials of the images."""

import json
import re
from datetime import UTC, datetime
from functools import cache

import pytest

from release import sbom
from release.locks import IMAGES, Locked, lock_file, read_lock

AT = datetime(2026, 11, 1, tzinfo=UTC)
PYTHON = "3.11.14"


@cache
def bill_of(image: str) -> str:
    return sbom.bill_of(image, at=AT, python=PYTHON)


@pytest.mark.parametrize("image", IMAGES)
def test_a_bill_names_every_package_with_its_hashes_and_licences_and_why_it_is_there(image):
    bill = json.loads(bill_of(image))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    root = bill["metadata"]["component"]
    base, *libraries = bill["components"]
    locked = [one for one in read_lock(lock_file(image)) if one.applies(PYTHON)]
    assert {(part["name"], part["version"]) for part in libraries} == {(one.name, one.version) for one in locked}
    assert base["purl"].startswith("pkg:oci/python@sha256:")
    for part in libraries:
        assert part["licenses"], part["name"]
        assert all(one["alg"] == "SHA-256" for one in part["externalReferences"][0]["hashes"])
    needed = {ref for one in bill["dependencies"] for ref in one.get("dependsOn", ())}
    assert needed == {part["bom-ref"] for part in bill["components"]}
    assert root["bom-ref"] == f"aduana-{image}@{root['version']}"


def test_the_same_tree_and_time_make_the_same_bytes():
    assert sbom.bill_of("job", at=AT, python=PYTHON) == bill_of("job")


@pytest.mark.parametrize(
    ("locked", "said"),
    [
        (Locked("no-such-package", "1.0", ("0" * 64,)), "no-such-package is not installed"),
        (Locked("httpx", "0.1", ("0" * 64,)), "httpx is installed as .* and locked as 0.1"),
    ],
)
def test_a_bill_that_would_not_be_true_is_not_written(monkeypatch, tmp_path, capsys, locked, said):
    monkeypatch.setattr(sbom, "read_lock", lambda _: [locked])
    output = tmp_path / "bill.json"
    assert sbom.main(["proxy", "--output", str(output)]) == 1
    assert not output.exists()
    assert re.search(said, capsys.readouterr().err)
