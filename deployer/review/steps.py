"""What follows the engine's work: each step looks first, does what is missing, and may be done again."""

from typing import TYPE_CHECKING

from core.store import NEEDED_REVISION
from deployer.engines import Plan, Purpose
from deployer.registration import display_name
from deployer.review import FurtherStep
from deployer.tenant import Tenant
from deployer.tenant_file import TenantFile

if TYPE_CHECKING:
    from core.seed.file import SeedFile


def further_steps(
    file: TenantFile, plan: Plan, seed_changes: tuple[str, ...], *, purge: bool = False
) -> tuple[FurtherStep, ...]:
    """In the order in which they are taken. `seed_changes`: what the seed file would make in an empty installation.
    `purge`: of a plan to destroy, whether what Azure keeps of what was deleted goes, too."""
    tenant = file.tenant
    if plan.purpose is Purpose.DESTROY:
        return (*_unregistration(tenant), *((_purge(tenant),) if purge else ()))
    return (
        _registration(tenant),
        *_front_door(tenant),
        _bootstrap(tenant, seed_changes),
        FurtherStep(
            "verify",
            "Verify",
            "inside",
            (
                "private names, closed public doors, a model's answer through the proxy, keys, the admin service, usage in "
                "the ledger",
            ),
            "Changes nothing but a key of its own, which it makes and revokes.",
        ),
    )


def seed_changes(seed: "SeedFile | None") -> tuple[str, ...]:
    """What a seed makes in an empty installation, by path. Keys that it names by reference are not read for it."""
    if seed is None:
        return ()
    return tuple(f"create {wanted.kind.replace('api_', '')} {wanted.path}" for wanted in seed.entities)


def _registration(tenant: Tenant) -> FurtherStep:
    entra = tenant.entra
    groups = [f"group {group}: role llm.admin" for group in entra.admin_groups]
    groups += [f"group {group}: role llm.reader" for group in entra.reader_groups]
    if entra.mode == "existing":
        return FurtherStep(
            "app_registration", f"App registration {entra.application_id} (existing)", "here", tuple(groups)
        )
    return FurtherStep(
        "app_registration",
        f"App registration {display_name(tenant)}",
        "here",
        ("make it where it is missing, with the roles llm.admin and llm.reader", *groups),
    )


def _front_door(tenant: Tenant) -> tuple[FurtherStep, ...]:
    if tenant.ingress.front != "front_door":
        return ()
    return (
        FurtherStep(
            "front_door",
            "Front Door's private link",
            "here",
            (f"approve what {tenant.names().front_door} asks of the environment, where that is to be done",),
        ),
    )


def _unregistration(tenant: Tenant) -> tuple[FurtherStep, ...]:
    if tenant.entra.mode == "existing":
        return ()
    title = f"App registration {display_name(tenant)}"
    return (FurtherStep("app_registration", title, "here", ("delete it; Entra ID keeps it for 30 days",)),)


def _purge(tenant: Tenant) -> FurtherStep:
    names = tenant.names()
    accounts = [names.accounts[each.name] for each in tenant.openai.accounts if each.mode == "new"]
    changes = [f"the OpenAI account {name}" for name in accounts]
    note = "What is purged nobody has back."
    if tenant.key_vault.purge_protection:
        note = f"The vault {names.key_vault} is protected: until its time is over nobody can purge it. {note}"
    else:
        changes.insert(0, f"the vault {names.key_vault}, with the keys that sealed secrets and backups need")
    return FurtherStep("purge", "Purge what Azure keeps of what was deleted", "here", tuple(changes), note)


def _bootstrap(tenant: Tenant, seed_changes: tuple[str, ...]) -> FurtherStep:
    changes = (
        "Postgres roles of the identities of proxy, writer and admin, with least privileges",
        f"tables up to {NEEDED_REVISION}",
        "pepper and master key in Key Vault, where they are missing",
    )
    if tenant.seed is None:
        return FurtherStep("bootstrap", "Bootstrap", "inside", (*changes, "no seed: `aduana seed` configures it"))
    return FurtherStep(
        "bootstrap",
        "Bootstrap",
        "inside",
        (
            *changes,
            f"the seed {tenant.seed}, once in the installation's life:",
            *(f"  {each}" for each in seed_changes),
        ),
        "Keys that it makes go to Key Vault; their references are printed.",
    )
