"""`aduana secrets rotate`: from older peppers and master keys to the newest, while the proxies serve."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from deployer.access import DatabaseUrlOption, DataDirOption, Tenant, actor, with_tenant
from deployer.errors import CHECK_SAID_NO, USAGE, CommandError
from deployer.output import JsonFlag, moment, print_json, print_table, say

if TYPE_CHECKING:
    from core.keys import Peppers
    from core.pepper_rotation import HangingKey, Rehashed
    from core.secrets.resolver import CachingResolver

HELP = """Bring keys and sealed secrets under the newest pepper and master key, while the proxies serve.

Give the new version to every proxy first (ADUANA_PEPPERS, ADUANA_MASTER_KEYS; the old ones beside it). Exit code 3: one does
not hold it. Sealed secrets are sealed anew at once, all or none. Of a proxy key nobody but its owner knows the secret: each
comes under the new pepper when it is used next. Run this again to see which keys still hang on an old one. docs/secrets.md
has the order of the steps.

Examples:

    aduana secrets rotate --plan

    aduana secrets rotate
"""


@dataclass(frozen=True, slots=True)
class _Rotated:
    """What was done, or with `--plan` would be."""

    master_key: int  # the newest version; 0: none is configured
    resealed: list[str]
    pepper: int
    begun: bool
    rehashed: list[str]  # paths of keys whose value is kept elsewhere
    hanging: "list[HangingKey]"


def rotate(
    plan: bool = typer.Option(False, "--plan", help="Show what would be done, and change nothing."),
    database_url: str | None = DatabaseUrlOption,
    data_dir: Path | None = DataDirOption,
    as_json: bool = JsonFlag,
) -> None:
    async def work(tenant: Tenant) -> _Rotated:
        async with tenant.store.transaction() as connection:
            resolver = await tenant.resolver(connection)
            peppers = await tenant.peppers(resolver) if tenant.settings.peppers else None
            if peppers is None and not tenant.settings.master_keys:
                raise CommandError(
                    "there is nothing to rotate to",
                    "neither a pepper nor a master key is configured",
                    "Set ADUANA_PEPPERS and ADUANA_MASTER_KEYS as the proxies have them, or use --data-dir.",
                    "usage",
                    exit_code=USAGE,
                )
            await _require_holders(connection, peppers, max(tenant.settings.master_keys, default=0))
            return await _rotate(tenant, connection, resolver, peppers, plan)

    done = with_tenant(database_url, data_dir, work)
    if as_json:
        print_json(_document(done, plan))
    else:
        _tell(done, plan)


async def _require_holders(connection: Any, peppers: "Peppers | None", master_key: int) -> None:
    from core.holding import holdings

    found = await holdings(connection)
    wanted = {"ADUANA_PEPPERS": peppers.newest if peppers is not None else 0, "ADUANA_MASTER_KEYS": master_key}
    held = {"ADUANA_PEPPERS": [one.peppers for one in found], "ADUANA_MASTER_KEYS": [one.master_keys for one in found]}
    details = [
        {
            "setting": setting,
            "version": version,
            "proxies": lacking,
            "message": f"{lacking} lack version {version} of {setting}",
        }
        for setting, version in wanted.items()
        if version and (lacking := sum(version not in versions for versions in held[setting]))
    ]
    if details:
        raise CommandError(
            f"of {len(found)} proxies that are connected, some would refuse what was rotated",
            remedy="Give every proxy the new version beside the old one, restart them in turn, and run this again.",
            code="not_held",
            exit_code=CHECK_SAID_NO,
            details=details,
        )


async def _rotate(
    tenant: Tenant, connection: Any, resolver: "CachingResolver", peppers: "Peppers | None", plan: bool
) -> _Rotated:
    from core import pepper_rotation
    from core.secrets import resealing

    master_keys = await tenant.master_keys(resolver)
    if plan:
        resealed = await resealing.outdated(connection, master_keys.newest)
    else:
        resealed = await resealing.reseal(connection, master_keys, actor=actor())
    if peppers is None:
        return _Rotated(master_keys.newest, resealed, 0, False, [], [])
    hanging = await pepper_rotation.hanging(connection, peppers.newest)
    chosen = [(key, found) for key in hanging if (found := await _rehashed(key, resolver, peppers)) is not None]
    begun = False
    if not plan:
        if hanging:  # with nothing to bring there is nothing to begin
            begun = await pepper_rotation.begin(connection, peppers.newest, actor=actor())
        await pepper_rotation.rehash(connection, peppers.newest, [found for _, found in chosen], actor=actor())
        hanging = await pepper_rotation.hanging(connection, peppers.newest)
    return _Rotated(master_keys.newest, resealed, peppers.newest, begun, [key.path for key, _ in chosen], hanging)


async def _rehashed(key: "HangingKey", resolver: "CachingResolver", peppers: "Peppers") -> "Rehashed | None":
    """A key whose value was chosen, where it can be read here and still is the one that is stored."""
    from core.keys import digest, parse, verify
    from core.pepper_rotation import Rehashed
    from core.secrets import SecretError

    pepper = peppers.get(key.pepper_version)
    if key.secret_ref is None or pepper is None:
        return None
    try:
        parsed = parse((await resolver.resolve(key.secret_ref)).strip())
    except SecretError:
        return None  # it is brought when it is used, as the others are
    if parsed is None or parsed[0] != key.id or not verify(parsed[1], pepper, key.digest):
        return None
    return Rehashed(key.id, key.digest, digest(parsed[1], peppers[peppers.newest]))


def _document(done: _Rotated, plan: bool) -> dict[str, Any]:
    return {
        "plan": plan,
        "master_key": {"version": done.master_key or None, "resealed": [f"db://{name}" for name in done.resealed]},
        "pepper": {
            "version": done.pepper or None,
            "begun": done.begun,
            "rehashed": done.rehashed,
            "hanging": [
                {
                    "id": key.id,
                    "path": key.path,
                    "pepper_version": key.pepper_version,
                    "last_used_at": key.last_used_at,
                }
                for key in done.hanging
            ],
        },
    }


def _tell(done: _Rotated, plan: bool) -> None:
    if done.master_key:
        if done.resealed:
            names = ", ".join(f"db://{name}" for name in done.resealed)
            say(f"{'To be sealed' if plan else 'Sealed'} under master key version {done.master_key}: {names}")
        else:
            say(f"Every sealed secret is under master key version {done.master_key}: older ones may go.")
    if not done.pepper:
        return
    if done.rehashed:
        say(f"{'To be brought' if plan else 'Brought'} under pepper version {done.pepper}: {', '.join(done.rehashed)}")
    if not done.hanging:
        say(f"No key that works hangs on an older pepper than version {done.pepper}: older ones may go.")
        return
    say(f"Keys under an older pepper; each comes under version {done.pepper} when it is used next:")
    print_table(
        (("Pepper", "right"), ("ID", "left"), ("Key", "left"), ("Last used", "left")),
        [
            (str(key.pepper_version), key.id, key.path, moment(key.last_used_at) if key.last_used_at else "never")
            for key in done.hanging
        ],
    )
    say(
        "One that is not used any more: aduana keys disable KEY. One that was never used: aduana keys rotate KEY --grace 0."
    )
