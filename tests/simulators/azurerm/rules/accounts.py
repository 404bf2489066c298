"""Azure OpenAI: accounts and deployments."""

from tests.simulators.azurerm.refusals import named
from tests.simulators.azurerm.rules.attempt import Attempt

_OPENAI = {"OpenAI", "AIServices"}


def sku_is_offered(attempt: Attempt) -> None:
    """Azure OpenAI has one SKU of account."""
    if attempt.text("kind") in _OPENAI and attempt.text("sku_name") != "S0":
        raise named("InvalidSkuId", sku=attempt.text("sku_name"), kind=attempt.text("kind"))


def quota_is_left(attempt: Attempt) -> None:
    """What is deployed of a model and SKU fits `model_quota` (`{"Standard.gpt-4o": 100}`); others have no limit."""
    sku, model = attempt.block("sku"), attempt.block("model")
    family = f"{sku.get('name')}.{model.get('name')}"
    limit = attempt.cloud.behaviours["model_quota"].get(family)
    if limit is None:
        return
    used = sum(
        other.values["sku"][0]["capacity"]
        for other in attempt.others()
        if f"{other.values['sku'][0]['name']}.{other.values['model'][0]['name']}" == family
    )
    wanted = sku.get("capacity") or 1
    if used + wanted > limit:
        quota = f"Tokens Per Minute (thousands) - {model.get('name')}"
        raise named("InsufficientQuota", wanted=wanted, left=limit - used, used=used, limit=limit, quota=quota)


def account_has_models(attempt: Attempt) -> None:
    """Deployments go into accounts of Azure OpenAI."""
    account = attempt.named("cognitive_account_id")
    if account is not None and account.values["kind"] not in _OPENAI:
        raise named("DeploymentNotSupported", kind=account.values["kind"])


BEFORE_CREATION = {
    "azurerm_cognitive_account": (sku_is_offered,),
    "azurerm_cognitive_deployment": (account_has_models, quota_is_left),
}
