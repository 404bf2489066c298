"""The simulated azurerm under the real Terraform: what it plans, makes, finds again, imports and takes away."""

NETWORK = """
terraform {
  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "~> 5.0"
    }
  }
}

provider "azurerm" {
  features {}
}

variable "tags" {
  type    = map(string)
  default = null
}

variable "prefix" {
  default = "10.20.1.0/24"
}

resource "azurerm_resource_group" "this" {
  name     = "rg-aduana"
  location = "UK South"
  tags     = var.tags
}

resource "azurerm_virtual_network" "this" {
  name                = "vnet"
  resource_group_name = azurerm_resource_group.this.name
  location            = azurerm_resource_group.this.location
  address_space       = ["10.20.0.0/16"]
}

resource "azurerm_subnet" "endpoints" {
  name                 = "snet-endpoints"
  resource_group_name  = azurerm_resource_group.this.name
  virtual_network_name = azurerm_virtual_network.this.name
  address_prefixes     = [var.prefix]
}

resource "azurerm_user_assigned_identity" "proxy" {
  name                = "id-proxy"
  resource_group_name = azurerm_resource_group.this.name
  location            = azurerm_resource_group.this.location
}

resource "azurerm_role_assignment" "reader" {
  scope                = azurerm_resource_group.this.id
  role_definition_name = "Reader"
  principal_id         = azurerm_user_assigned_identity.proxy.principal_id
}

data "azurerm_client_config" "this" {}

output "tenant" {
  value = data.azurerm_client_config.this.tenant_id
}
"""


def test_what_is_applied_is_there_planned_again_changes_nothing_and_goes_with_destroy(terraform, azure_cloud):
    terraform.write(NETWORK)
    terraform.init()
    terraform("validate")
    assert terraform.changes() == {
        address: ["create"]
        for address in (
            "azurerm_resource_group.this",
            "azurerm_role_assignment.reader",
            "azurerm_subnet.endpoints",
            "azurerm_user_assigned_identity.proxy",
            "azurerm_virtual_network.this",
        )
    }
    terraform.apply("tested.tfplan")
    assert terraform.changes() == {}
    assert terraform.outputs() == {"tenant": azure_cloud.tenant}
    identity = azure_cloud.resource("azurerm_user_assigned_identity")
    assert identity["id"] == (
        f"/subscriptions/{azure_cloud.subscription}/resourceGroups/rg-aduana/providers/Microsoft.ManagedIdentity/"
        "userAssignedIdentities/id-proxy"
    )
    reader = azure_cloud.resource("azurerm_role_assignment")["values"]
    assert reader["principal_id"] == identity["values"]["principal_id"]
    assert reader["role_definition_id"].endswith("/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7")
    terraform.destroy()
    assert azure_cloud.resources() == []


def test_changes_are_in_place_or_another_resource_as_the_argument_has_it(terraform):
    terraform.write(NETWORK)
    terraform.init()
    terraform.apply()
    assert terraform.changes("-var", 'tags={"a":"b"}') == {"azurerm_resource_group.this": ["update"]}
    assert terraform.changes("-var", "prefix=10.20.2.0/24") == {"azurerm_subnet.endpoints": ["update"]}
    terraform.write(NETWORK.replace("snet-endpoints", "snet-others").replace("UK South", "uksouth"))
    assert terraform.changes() == {"azurerm_subnet.endpoints": ["delete", "create"]}


def test_what_changes_outside_is_drift_what_is_deleted_outside_is_made_again_and_what_is_there_can_be_imported(
    terraform, azure_cloud
):
    terraform.write(NETWORK)
    terraform.init()
    group = azure_cloud.put("azurerm_resource_group", name="rg-aduana", location="uksouth")
    assert (
        "already exists - to be managed via Terraform"
        in terraform("apply", "-auto-approve", "-no-color", ok=False).stderr
    )
    terraform("import", "azurerm_resource_group.this", group["id"])
    terraform.apply()
    azure_cloud.change("azurerm_resource_group", tags={"owner": "somebody"})
    azure_cloud.delete("azurerm_role_assignment")
    drift = terraform("plan", "-refresh-only", "-no-color", "-detailed-exitcode", ok=False)
    assert drift.code == 2 and "azurerm_role_assignment.reader has been deleted" in drift.stdout
    assert terraform.changes() == {
        "azurerm_resource_group.this": ["update"],
        "azurerm_role_assignment.reader": ["create"],
    }


def test_a_fault_is_printed_as_the_real_provider_prints_it_and_strikes_as_often_as_it_was_told(terraform, azure_cloud):
    terraform.write(NETWORK)
    terraform.init()
    azure_cloud.faults(
        {"type": "azurerm_role_assignment", "operation": "create", "error": "AuthorizationFailed"},
        {"type": "azurerm_virtual_network", "operation": "create", "error": "OperationFailed", "after": True},
    )
    refused = terraform("apply", "-auto-approve", "-no-color", ok=False)
    assert refused.code == 1
    said = " ".join(refused.stderr.replace("│", " ").split())
    assert "unexpected status 403 (403 Forbidden) with error: AuthorizationFailed: The client" in said
    assert (
        "does not have authorization to perform action 'Microsoft.Authorization/roleAssignments/write' over scope"
        in said
    )
    assert "polling after CreateOrUpdate: polling failed: the Azure API returned the following error:" in said
    codes = {each["refused"] for each in azure_cloud.journal("create") if each["refused"]}
    assert codes == {"AuthorizationFailed", "Failed"}
    assert azure_cloud.resource("azurerm_virtual_network")
    assert terraform.changes()["azurerm_virtual_network.this"] == ["delete", "create"]  # it is tainted
    terraform.apply("tested.tfplan")
    assert terraform.changes() == {}


IDENTITY = """
terraform {
  required_providers {
    azurerm = {
      source = "hashicorp/azurerm"
    }
  }
}

variable "name" {
  type = string
}

resource "azurerm_user_assigned_identity" "this" {
  name                = var.name
  resource_group_name = "rg"
  location            = "uksouth"
}

output "principal" {
  value = azurerm_user_assigned_identity.this.principal_id
}
"""

IDENTITY_TEST = """
provider "azurerm" {
  features {}
}

run "an_identity_has_a_principal" {
  variables {
    name = "id-proxy"
  }
  assert {
    condition     = length(output.principal) == 36
    error_message = "no principal"
  }
}

run "a_short_name_is_refused" {
  command = plan
  variables {
    name = "i"
  }
}
"""


def test_a_module_in_another_folder_is_tested_by_terraform_itself(terraform_in, azure_cloud, tmp_path):
    module = tmp_path / "stack" / "modules" / "identity"
    (module / "tests").mkdir(parents=True)
    (module / "main.tf").write_text(IDENTITY)
    (module / "tests" / "identity.tftest.hcl").write_text(IDENTITY_TEST)
    azure_cloud.put("azurerm_resource_group", name="rg", location="uksouth")
    terraform = terraform_in(tmp_path / "stack", "modules/identity")
    terraform.init()
    tested = terraform("test", "-no-color", ok=False)
    assert 'run "an_identity_has_a_principal"... pass' in tested.stdout
    assert "1 passed, 1 failed." in tested.stdout
    assert "invalid value for name (must begin with a letter or number" in tested.stderr
    assert azure_cloud.resources("azurerm_user_assigned_identity") == []
    assert not list(module.glob(".terraform*"))


def test_data_sources_find_what_others_made_and_say_what_they_did_not_find(terraform, azure_cloud):
    azure_cloud.put("azurerm_resource_group", name="rg-hub", location="uksouth")
    azure_cloud.put(
        "azurerm_virtual_network",
        name="vnet-hub",
        resource_group_name="rg-hub",
        location="uksouth",
        address_space=["10.0.0.0/16"],
    )
    azure_cloud.put(
        "azurerm_subnet",
        name="snet",
        resource_group_name="rg-hub",
        virtual_network_name="vnet-hub",
        address_prefixes=["10.0.1.0/24"],
    )
    terraform.write(
        """
        provider "azurerm" {
          features {}
        }

        variable "subnet" {
          default = "snet"
        }

        data "azurerm_virtual_network" "hub" {
          name                = "vnet-hub"
          resource_group_name = "rg-hub"
        }

        data "azurerm_subnet" "this" {
          name                 = var.subnet
          virtual_network_name = data.azurerm_virtual_network.hub.name
          resource_group_name  = "rg-hub"
        }

        data "azurerm_role_definition" "reader" {
          name = "Reader"
        }

        output "found" {
          value = {
            prefixes = data.azurerm_subnet.this.address_prefixes
            space    = data.azurerm_virtual_network.hub.address_space
            subnets  = data.azurerm_virtual_network.hub.subnets
            reader   = data.azurerm_role_definition.reader.role_definition_id
          }
        }
        """
    )
    terraform.init()
    terraform.apply()
    assert terraform.outputs()["found"] == {
        "prefixes": ["10.0.1.0/24"],
        "space": ["10.0.0.0/16"],
        "subnets": ["snet"],
        "reader": "acdd72a7-3385-48ef-bd42-f606fba81ae7",
    }
    missing = terraform("plan", "-no-color", "-var", "subnet=gone", ok=False)
    assert 'Name: "gone"' in missing.stderr and "was not found" in missing.stderr


def test_azurerm_is_installed_from_a_mirror_locked_and_started_by_terraform_itself(installed_terraform, azure_cloud):
    terraform = installed_terraform
    tenant = "33333333-3333-3333-3333-333333333333"
    terraform.environment["ARM_TENANT_ID"] = tenant
    terraform.write(NETWORK)
    assert "Installing hashicorp/azurerm v5.2.0" in terraform("init", "-no-color").stdout
    lock = (terraform.directory / ".terraform.lock.hcl").read_text()
    assert 'version     = "5.2.0"' in lock and '"h1:' in lock
    terraform.apply()
    assert terraform.changes() == {}
    assert terraform.outputs() == {"tenant": tenant}
    assert azure_cloud.resource("azurerm_user_assigned_identity")["values"]["tenant_id"] == tenant
    terraform.write(NETWORK.replace("~> 5.0", "~> 6.0"))
    refused = terraform("init", "-no-color", "-upgrade", ok=False)
    assert "no available releases match the given constraints" in " ".join(refused.stderr.split())
    azure_cloud.faults({"type": "azurerm_role_assignment", "operation": "delete", "error": "TooManyRequests"})
    terraform.write(NETWORK)
    said = " ".join(terraform("destroy", "-auto-approve", "-no-color", ok=False).stderr.split())
    assert "unexpected status 429 (429 Too Many Requests) with error: TooManyRequests" in said
