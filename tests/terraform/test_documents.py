"""What is written about the stack is what it is; and what it may never say."""

import shutil
import subprocess

import hcl2
import pytest

from deployer.engines.terraform.provider import provider_settings
from deployer.engines.terraform.variables import render
from deployer.tenant_file import parse_tenant
from tests.deployer.tenant_files import with_settings
from tests.terraform import state_keys
from tests.terraform.readmes import STACK, modules, read_module, readme

EXAMPLES = sorted(path.name for path in (STACK / "examples").iterdir())
PLACES = {path.relative_to(STACK).as_posix(): path for path in modules()}


@pytest.mark.parametrize("place", PLACES)
def test_a_module_has_a_readme_that_says_what_it_is(place):
    path = PLACES[place]
    assert (path / "README.md").read_text() == readme(read_module(path)), "make docs"


@pytest.mark.parametrize("place", PLACES)
def test_a_variable_has_a_type_and_everything_a_description(place):
    module = read_module(PLACES[place])
    assert module.about and not module.about.startswith("resource")
    for name, body in {**module.variables, **module.outputs}.items():
        assert len(body.get("description", "")) > 12, name
    assert [name for name, body in module.variables.items() if "type" not in body] == []


def test_keys_that_azure_puts_into_the_state_are_listed_with_what_makes_them_harmless():
    assert state_keys.DOCUMENT.read_text() == state_keys.with_table(state_keys.DOCUMENT.read_text()), "make docs"


def test_nothing_that_we_make_up_and_azure_keeps_secret_goes_through_terraform():
    given = []
    for file in (each for path in PLACES.values() for each in path.glob("*.tf")):
        for block in hcl2.loads(file.read_text()).get("resource", []):
            for type_, named in block.items():
                taken = state_keys.secrets_taken(type_.strip('"')) if type_.startswith('"azurerm') else []
                said = str(named).replace('"', "")
                given += [path for path in taken if all(f"'{each}'" in said for each in path.split("."))]
    assert given == []


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_tells_the_provider_what_the_installer_tells_it(example):
    (document,) = hcl2.loads((STACK / "examples" / example / "provider.tf").read_text())["provider"]
    told = plain(document['"azurerm"'])
    wanted = provider_settings(parse_tenant(with_settings()))
    assert told.pop("subscription_id") == "${var.subscription_id}"
    assert told == {name: each for name, each in wanted.items() if name not in ("subscription_id", "tenant_id")}


def plain(value):
    if isinstance(value, dict):
        blocks = {key: each for key, each in value.items() if key != "__is_block__"}
        return {key: plain(each[0] if is_blocks(each) else each) for key, each in blocks.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value.strip('"') if isinstance(value, str) else value


def is_blocks(value):
    return isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict)


def test_every_variable_of_the_stack_is_rendered_or_left_to_its_default():
    variables = read_module(STACK).variables
    rendered = set(render(parse_tenant(with_settings())))
    assert rendered <= set(variables)
    assert {name for name, body in variables.items() if "default" not in body} <= rendered
    assert set(variables) - rendered == {"key_versions", "revisions"}


def test_the_stack_is_written_as_terraform_formats_it(terraform_binary):
    done = subprocess.run([terraform_binary, "fmt", "-check", "-recursive", str(STACK)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(shutil.which("git") is None, reason="asks git")
def test_no_state_and_no_provider_is_in_the_repository():
    listed = subprocess.run(["git", "ls-files", "terraform"], cwd=STACK.parent, capture_output=True, text=True).stdout
    assert [each for each in listed.splitlines() if ".tfstate" in each or ".terraform/" in each] == []
