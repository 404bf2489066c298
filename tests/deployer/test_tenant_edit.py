"""A tenant file that is changed by a command keeps what its owner wrote around the values."""

import json
from pathlib import Path

import pytest
import yaml

from deployer.cli import run
from deployer.tenant_edit import EditError, change_values
from deployer.tenant_file import TenantError, load_tenant_file
from tests.deployer.tenant_files import LEAST

OLD, NEW = "a" * 64, "b" * 64
TOP = yaml.safe_dump({name: LEAST[name] for name in ("name", "subscription_id", "region", "entra")})


def image(name, digest, host="ghcr.io"):
    return f"{host}/contoso/{name}@sha256:{digest}"


BLOCK = f"""# ours
images:   # by digest
  proxy: {image("proxy", OLD)}   # the proxy
  admin: "{image("admin", OLD)}"

  job: '{image("job", OLD)}'
#end
"""
FLOW = f"images: {{proxy: {image('proxy', OLD)}, admin: {image('admin', OLD)}, job: {image('job', OLD)}}}\n"
RELEASE = {f"images.{name}": image(name, NEW) for name in ("proxy", "admin", "job")}


@pytest.fixture
def file(tmp_path):
    def write(text, newline="\n"):
        path = tmp_path / "contoso.yaml"
        path.write_bytes(text.replace("\n", newline).encode())
        return load_tenant_file(path)

    return write


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("text", [BLOCK, FLOW])
def test_values_change_and_comments_blanks_and_ends_of_lines_do_not(file, text, newline):
    tenant_file = file(text + TOP, newline)
    before = tenant_file.path.read_bytes()
    assert change_values(tenant_file, RELEASE).images.job == image("job", NEW)
    assert unquoted(tenant_file.path.read_bytes()) == unquoted(before.replace(OLD.encode(), NEW.encode()))


def unquoted(text):
    return text.replace(b'"', b"").replace(b"'", b"")


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (BLOCK.replace(f"proxy: {image('proxy', OLD)}", f"proxy: &one {image('proxy', OLD)}").replace(
            f'admin: "{image("admin", OLD)}"', "admin: *one"), RELEASE),
        (BLOCK.replace(f"proxy: {image('proxy', OLD)}   # the proxy", f"proxy: >-\n    {image('proxy', OLD)}"), RELEASE),
        (BLOCK, {"images.registry_id": "x"}),
        (BLOCK, {"redis.sku": "Balanced_B5"}),
        (BLOCK, {"images.proxy": "ghcr.io/contoso/proxy:latest"}),
    ],
)  # fmt: skip
def test_what_cannot_be_changed_in_place_is_left_as_it_was(file, text, values):
    tenant_file = file(text + TOP)
    before = tenant_file.path.read_bytes()
    with pytest.raises((EditError, TenantError)):
        change_values(tenant_file, values)
    assert tenant_file.path.read_bytes() == before
    assert [each.name for each in tenant_file.path.parent.iterdir()] == ["contoso.yaml"]


def test_a_releases_images_are_put_into_a_tenant_file(file, tmp_path, monkeypatch, capsys):
    path = file(BLOCK + TOP).path
    monkeypatch.chdir(tmp_path)
    names = ("proxy", "admin", "job")
    Path("images.yaml").write_text(yaml.safe_dump({"images": {name: image(name, NEW) for name in names}}))

    def images():
        capsys.readouterr()
        code = run(["tenants", "images", "contoso.yaml", "--images", "images.yaml", "--json"])
        return code, json.loads(capsys.readouterr().out)

    code, told = images()
    assert (code, told["changed"]) == (0, ["admin", "job", "proxy"])
    assert load_tenant_file(path).tenant.images.admin == told["images"]["admin"] == image("admin", NEW)
    assert images()[1]["changed"] == []
    Path("images.yaml").write_text("images: {}")
    assert images()[0] == 2
