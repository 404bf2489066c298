"""Who asks, of which subscription, and whether this machine's clock is right."""

import time
from collections.abc import Iterable

from deployer.preflight.checks import Context, Finding, error, info, passed, warning

_SKEW_NOTED, _SKEW_REFUSED = 60.0, 300.0  # seconds; Entra ID takes five minutes


async def look_at_sign_in(context: Context) -> Iterable[Finding]:
    claims = await context.azure.claims()
    who = claims.get("upn") or claims.get("unique_name") or context.azure.session.signed_in_as
    wanted, given = context.tenant.entra.tenant_id.lower(), str(claims.get("tid", "")).lower()
    if given and given != wanted:
        return [
            error(
                f"{who} is signed in to the directory {given}; entra.tenant_id is {wanted}",
                f"Run az login --tenant {wanted}, or correct entra.tenant_id.",
                "entra.tenant_id",
            )
        ]
    return [passed(f"{who}, in {wanted}")]


async def look_at_subscription(context: Context) -> Iterable[Finding]:
    subscription = await context.azure.subscription()
    name, state = subscription.get("displayName", ""), str(subscription.get("state", ""))
    if state != "Enabled":
        return [
            error(
                f"{name} is {state or 'in no known state'}",
                "Have it enabled (its payment, or its owner), or name another in subscription_id.",
                "subscription_id",
            )
        ]
    directory = str(subscription.get("tenantId", "")).lower()
    if directory and directory != context.tenant.entra.tenant_id.lower():
        return [
            error(
                f"{name} trusts the directory {directory}; entra.tenant_id is {context.tenant.entra.tenant_id}",
                "Correct entra.tenant_id or subscription_id: identities and people must be of the subscription's directory.",
                "entra.tenant_id",
            )
        ]
    policies = subscription.get("subscriptionPolicies") or {}
    if policies.get("spendingLimit") == "On":
        words = f"{name} has a spending limit ({policies.get('quotaId')}): what it ends stops serving"
        return [warning(words, "Remove the limit: https://aka.ms/azuresubscriptionspendinglimit.", "subscription_id")]
    return [passed(name)]


async def look_at_clock(context: Context) -> Iterable[Finding]:
    before = time.time()
    theirs = await context.azure.arm.server_time()
    if theirs is None:
        return [info("Azure did not say what time it is")]
    # The header has whole seconds, and the answer took a while: neither is skew.
    skew = max(0.0, theirs - time.time() - 1, before - theirs - 1)
    figures = {"seconds": round(skew, 1)}
    if skew >= _SKEW_REFUSED:
        words, remedy = (
            f"this machine's clock is {skew:,.0f} s off",
            "Set it (NTP): tokens are refused at five minutes.",
        )
        return [error(words, remedy, figures=figures)]
    if skew >= _SKEW_NOTED:
        return [
            warning(
                f"this machine's clock is {skew:,.0f} s off", "Set it (NTP) before it is five minutes.", figures=figures
            )
        ]
    return [passed("within a minute of Azure's", figures=figures)]
