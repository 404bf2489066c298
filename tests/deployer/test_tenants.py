"""Which tenant a command works on: found by name or file, told apart by name and state, refused where its file is wrong."""

import json
from pathlib import Path

import pytest
import yaml

from deployer.cli import run
from deployer.errors import CommandError
from deployer.tenants import open_tenant
from tests.deployer.tenant_files import with_settings


@pytest.fixture
def directory(tmp_path, monkeypatch):
    """tenants/ with contoso-prod (whose file is called otherwise), fabrikam, and a seed file beside them."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "tenants"
    folder.mkdir()
    write(folder / "production.yaml", name="contoso-prod")
    write(folder / "fabrikam.yml", name="fabrikam", region="swedencentral")
    (folder / "fabrikam.seed.yaml").write_text("routes: []\n")
    return folder


def write(path: Path, **settings) -> None:
    path.write_text(yaml.safe_dump(with_settings(**settings)))


def refused(*arguments) -> CommandError:
    with pytest.raises(CommandError) as caught:
        open_tenant(*arguments)
    return caught.value


def listing(capsys, *arguments):
    capsys.readouterr()
    assert run(["tenants", "list", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)["tenants"]


def test_a_tenant_is_found_by_what_its_file_calls_it_or_by_its_file(directory, tmp_path):
    assert open_tenant("contoso-prod").path == Path("tenants/production.yaml")
    assert open_tenant("tenants/fabrikam.yml").tenant.name == "fabrikam"
    assert open_tenant(str(directory / "production.yaml"), tmp_path / "elsewhere").tenant.name == "contoso-prod"


def test_the_only_tenant_need_not_be_named(directory):
    assert refused(None).message == "no tenant was named: tenants has 2: contoso-prod, fabrikam"
    (directory / "fabrikam.yml").unlink()
    assert open_tenant(None).tenant.name == "contoso-prod"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("contoso", "there is no tenant 'contoso' in tenants: there are contoso-prod, fabrikam"),
        ("tenants/contoso.yaml", "tenants/contoso.yaml cannot be read: No such file or directory"),
        ("tenants/", "tenants cannot be read: Is a directory"),
    ],
)
def test_a_tenant_that_is_not_there_is_told_with_those_that_are(directory, text, message):
    assert refused(text).message == message


def test_without_a_directory_the_way_to_one_is_told(tmp_path):
    error = refused("contoso", tmp_path / "none")
    assert error.code == "no_tenants" and "aduana init" in error.remedy


def test_a_tenant_whose_file_is_wrong_is_refused_with_every_mistake_and_the_others_are_not(directory):
    write(directory / "production.yaml", name="contoso-prod", region="uksoth", redis__sku="B1")
    error = refused("contoso-prod")
    assert (error.code, error.message) == ("tenant_invalid", "tenants/production.yaml has 2 mistakes")
    assert {detail["problem"].split(":")[0] for detail in error.details} == {"region", "redis.sku"}
    assert open_tenant("fabrikam").tenant.region == "swedencentral"


def test_two_files_with_one_name_are_refused_however_they_are_named(directory):
    write(directory / "copy.yaml", name="contoso-prod")
    for text in ("contoso-prod", "tenants/copy.yaml"):
        [detail] = refused(text).details
        assert "the name contoso-prod is that of tenants/" in detail["message"]
    assert open_tenant("fabrikam").tenant.name == "fabrikam"


@pytest.mark.parametrize(
    ("one", "other", "refuses"),
    [
        ({}, {}, False),
        ({"state": {"key": "a.tfstate"}}, {"state": {"key": "a.tfstate"}}, True),
        ({"state": {"key": "a.tfstate", "container": "b"}}, {"state": {"key": "a.tfstate"}}, False),
        ({"state": {"key": "a.tfstate"}, "region": "swedencentral"}, {"state": {"key": "a.tfstate"}}, False),
        ({"state": {"backend": "local", "key": "a"}}, {"state": {"backend": "local", "key": "a"}}, True),
    ],
)
def test_two_tenants_with_one_state_are_refused(directory, one, other, refuses):
    write(directory / "production.yaml", name="contoso-prod", **one)
    write(directory / "fabrikam.yml", name="fabrikam", **other)
    if refuses:
        assert "the state " in refused("fabrikam").details[0]["message"]
    else:
        assert open_tenant("fabrikam").tenant.name == "fabrikam"


def test_the_list_shows_every_file_with_what_it_says_though_it_is_wrong(directory, capsys):
    write(directory / "wrong.yaml", name="woodgrove", region="uksouth", redis__sku="B1")
    (directory / "broken.yaml").write_text("name: [\n")
    listed = listing(capsys)
    assert [(each["name"], each["region"], each["file"], each["valid"]) for each in listed] == [
        (None, None, "tenants/broken.yaml", False),
        ("contoso-prod", "uksouth", "tenants/production.yaml", True),
        ("fabrikam", "swedencentral", "tenants/fabrikam.yml", True),
        ("woodgrove", "uksouth", "tenants/wrong.yaml", False),
    ]
    assert listed[3]["mistakes"][0]["line"] == 9
    assert run(["tenants", "list"]) == 0
    told = capsys.readouterr()
    assert "no (1)" in told.out and "tenants/wrong.yaml:9: redis.sku: 'B1' is not allowed" in told.err


def test_an_empty_directory_is_listed_as_one(tmp_path, capsys):
    assert listing(capsys, "--tenants-dir", str(tmp_path)) == []
