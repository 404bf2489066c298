"""Terraform as an engine: the stack of `terraform/`, run by the Terraform program of this machine.

It never runs without the state's lock, never applies what is not a saved plan, and writes no secret to a file.
"""

from deployer.engines.terraform.binary import Binary, find_terraform
from deployer.engines.terraform.configuration import Backend, Configuration
from deployer.engines.terraform.engine import TerraformEngine
from deployer.engines.terraform.sources import shipped_stack

__all__ = ["Backend", "Binary", "Configuration", "TerraformEngine", "find_terraform", "shipped_stack"]
