"""A Terraform provider for `hashicorp/azurerm` that needs no cloud: the real provider's schema, over a simulated Azure.

A test takes `terraform` (the real binary, in an empty directory of its own) and `azure_cloud` (a subscription of its own):

    def test_a_role_that_is_refused_is_asked_for_again(terraform, azure_cloud):
        terraform.write('provider "azurerm" {\\n  features {}\\n}\\n…')         # or a dict of file names and texts
        terraform.init()
        azure_cloud.faults({"type": "azurerm_role_assignment", "operation": "create", "error": "AuthorizationFailed"})
        ran = terraform("apply", "-auto-approve", "-json", ok=False)
        assert ran.code == 1 and "AuthorizationFailed" in ran.stdout
        terraform.apply()
        assert terraform.changes() == {}

- `terraform(*arguments, ok=True)` runs it and gives back `code`, `stdout`, `stderr`, `.json`, `.messages`; `init`,
  `apply`, `destroy`, `planned` (the plan as JSON), `changes` (address → actions, without what stays) and `outputs` are
  short for the usual. `terraform_in(root, "examples/minimal")` runs it in a copy of a tree.
  `terraform.environment` is for processes that start Terraform themselves (the installer): TF_REATTACH_PROVIDERS is in
  it, so `terraform init` asks no registry and writes no lock file for azurerm, and no version constraint is looked at.
- `installed_terraform` is the same without that: Terraform installs azurerm 5.2.0 from a mirror (there is
  `azurerm_provider.mirror(directory)` to make one), locks it and starts it, and the provider reads its process's `ARM_…`
  variables (and ARM_CLIENT_OBJECT_ID, which says who it is). It takes a little longer.
- `azure_cloud` lists (`resources`, `resource`, `deleted`), changes from outside (`put`, `change`, `delete`, `purge`),
  makes things fail or take long (`faults`, names in `refusals.NAMED`), switches what of Azure is played (`behave`,
  `cloud.BEHAVIOURS`), and tells what was asked (`journal`).
- A provider block without `subscription_id` gets the newest `azure_cloud`'s (`use()` picks another); one that names a
  subscription gets that one's cloud, which comes into being when it is named. `AzureCloud(azurerm_provider, "…")` is a
  handle on it.

One process serves a test process; a cloud is a subscription, so tests do not see each other's. A new type of resource
needs a newer extract of the schema, a row in `ids`, and what `arguments`, `computed`, `checks` and `rules` should know
of it.
"""
