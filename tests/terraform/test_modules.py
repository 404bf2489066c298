"""The modules' own tests, by `terraform test`."""

import pytest

from tests.terraform.readmes import STACK

TESTED = sorted(path.parts[-3] for path in STACK.glob("modules/*/tests/*.tftest.hcl"))


@pytest.mark.parametrize("module", TESTED)
def test_a_module_does_what_its_tests_say(module, terraform_in):
    terraform = terraform_in(STACK, f"modules/{module}")
    terraform.init()
    ran = terraform("test", "-json", "-no-color", ok=False)
    runs = [told["test_run"] for told in ran.messages if told["type"] == "test_run"]
    ended = {run["run"]: run["status"] for run in runs if run.get("progress") == "complete"}
    said = [told["@message"] for told in ran.messages if told.get("@level") == "error"]
    assert ended and set(ended.values()) == {"pass"}, (ended, said)
    assert ran.code == 0


def test_the_modules_that_decide_something_have_tests():
    assert {"network", "private-endpoint", "service", "openai-account", "postgres", "role-assignments"} <= set(TESTED)
