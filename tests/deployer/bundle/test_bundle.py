"""`aduana bundle`: what is gathered is installed by its own script, with no network, and a changed file is found."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from deployer import cli
from deployer.bundle import install
from deployer.engines.terraform.sources import shipped_stack
from tests.deployer.estate import KINDS, image


def stand_in(directory: Path) -> Path:
    """A wheel that is called like the installer's, and says what the launcher told it."""
    wheel = directory / "aduana-9.9.9-py3-none-any.whl"
    info = "aduana-9.9.9.dist-info"
    files = {
        "said.py": "import json, os\ndef main():\n"
        "    print(json.dumps([os.environ.get(n, '') for n in ('TF_CLI_CONFIG_FILE', 'ADUANA_TERRAFORM')]))\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: aduana\nVersion: 9.9.9\nProvides-Extra: deployer\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\naduana = said:main\n",
    }
    record = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(name, text)
    return wheel


@pytest.fixture
def bundle(tmp_path, azurerm_provider, terraform_binary, monkeypatch, capsys) -> Path:
    """One with everything in it; Terraform gets its provider from a mirror, and nothing else can be reached."""
    settings = tmp_path / "terraform.rc"
    mirror = azurerm_provider.mirror(tmp_path / "mirror")
    settings.write_text(f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror}"\n  }}\n}}\n')
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", str(settings))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    archive, release = tmp_path / "proxy.tar", tmp_path / "images.yaml"
    archive.write_bytes(b"an image")
    release.write_text(yaml.safe_dump({"images": {kind: image(kind) for kind in KINDS}}))
    directory = tmp_path / "bundle"
    arguments = ["--wheel", str(stand_in(tmp_path)), "--terraform", terraform_binary, "--images", str(release)]
    code = cli.run(["bundle", "create", str(directory), *arguments, "--image", f"proxy={archive}", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert (code, told.get("version"), told.get("machine")) == (0, "9.9.9", install.machine()), told
    return directory


@pytest.mark.parametrize("times", [1, pytest.param(2, marks=pytest.mark.full)])  # a second time upgrades it in place
def test_a_bundle_is_whole_installs_by_itself_and_brings_its_provider(bundle, tmp_path, times):
    assert {path.name for path in bundle.iterdir()} == {
        *("wheels", "terraform", "images", "images.yaml", "install.py", "manifest.json"),
    }
    into = tmp_path / "opt" / "aduana"
    environment = {"PATH": os.environ["PATH"], "PIP_NO_INDEX": "1"}
    script = [sys.executable, "-I", str(bundle / "install.py")]
    for _ in range(times):
        done = subprocess.run([*script, "--into", str(into)], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    said = json.loads(subprocess.run([into / "bin" / "aduana"], env=environment, capture_output=True, text=True).stdout)
    assert said == [str(into / "terraform.rc"), str(into / "terraform" / "terraform")]

    work = tmp_path / "work"
    work.mkdir()
    (work / "terraform.tf").write_text((shipped_stack() / "terraform.tf").read_text())
    offline = {**environment, "TF_CLI_CONFIG_FILE": said[0], "HOME": str(tmp_path), "CHECKPOINT_DISABLE": "1"}
    init = [said[1], f"-chdir={work}", "init", "-backend=false", "-no-color"]
    done = subprocess.run(init, env=offline, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def _change(bundle: Path) -> None:
    (bundle / "images" / "proxy.tar").write_bytes(b"an imagE")


def _remove(bundle: Path) -> None:
    (bundle / "images" / "proxy.tar").unlink()


def _add(bundle: Path) -> None:
    (bundle / "wheels" / "evil-1.0-py3-none-any.whl").write_bytes(b"")


def _empty(bundle: Path) -> None:
    (bundle / "manifest.json").write_text("[]")


def _other_format(bundle: Path) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text())
    (bundle / "manifest.json").write_text(json.dumps(manifest | {"format": 2}))


def test_a_bundle_that_is_not_what_was_made_or_not_for_here_is_refused_before_anything_is_installed(
    bundle, tmp_path, capsys, monkeypatch
):
    into = tmp_path / "into"
    for number, damage in enumerate((_change, _remove, _add, _empty, _other_format)):
        copy = tmp_path / f"copy-{number}"
        shutil.copytree(bundle, copy)
        damage(copy)
        assert cli.run(["bundle", "verify", str(copy), "--json"]) == 3, damage.__name__
        assert json.loads(capsys.readouterr().out)["error"]["code"] == "not_whole"
        with pytest.raises(install.Broken):
            install.install(copy, into)
    monkeypatch.setattr(install, "machine", lambda: "plan9-mips-3.11")
    with pytest.raises(install.Broken, match="and this is plan9-mips"):
        install.install(bundle, into)
    assert not into.exists()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--image", "postgres=x.tar"], "usage"),
        (["--image", "proxy=/nowhere.tar"], "no_file"),
        (["--wheel", "/nowhere.whl"], "no_file"),
        (["--terraform", "/nowhere"], "no_terraform"),
    ],
)
def test_what_cannot_be_gathered_leaves_no_bundle(tmp_path, capsys, monkeypatch, arguments, code):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    wheel = [] if "--wheel" in arguments else ["--wheel", str(stand_in(tmp_path))]
    assert cli.run(["bundle", "create", str(tmp_path / "bundle"), *wheel, *arguments, "--json"]) in (1, 2)
    assert json.loads(capsys.readouterr().out)["error"]["code"] == code
    assert [path for path in tmp_path.iterdir() if path.suffix != ".whl"] == []
