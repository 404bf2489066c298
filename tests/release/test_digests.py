"""What a release hands to tenant files."""

import pytest
import yaml

from deployer.tenant import Images
from release import digests, tag

DIGEST = "sha256:" + "5" * 64


@pytest.fixture
def references(tmp_path):
    for image in ("proxy", "admin", "job"):
        (tmp_path / image).write_text(f"ghcr.io/contoso/aduana-{image}:1.2.3@{DIGEST}\n")
    return tmp_path


def test_the_digests_of_a_release_are_what_a_tenant_file_takes(references, capsys):
    assert digests.main([str(references)]) == 0
    written = yaml.safe_load(capsys.readouterr().out)
    assert Images.model_validate(written["images"]).job == f"ghcr.io/contoso/aduana-job:1.2.3@{DIGEST}"


@pytest.mark.parametrize("reference", ["ghcr.io/contoso/aduana-admin:1.2.3", "", None])
def test_an_image_without_a_digest_is_an_error_and_nothing_is_written(references, tmp_path, capsys, reference):
    if reference is None:
        (references / "admin").unlink()
    else:
        (references / "admin").write_text(reference)
    assert digests.main([str(references), "--output", str(tmp_path / "images.yaml")]) == 1
    assert "admin" in capsys.readouterr().err
    assert not (tmp_path / "images.yaml").exists()


def test_a_tag_that_is_not_the_version_stops_a_release(capsys):
    assert tag.main([f"v{tag.version()}"]) == 0
    assert tag.main(["v99.0.0"]) == 3
    assert f"v{tag.version()}" in capsys.readouterr().err
