"""Vaults and the credentials in them; what is secret of one is never shown."""

from typing import Any

from tests.simulators.model_provider import errors
from tests.simulators.model_provider.exchange import Exchange
from tests.simulators.model_provider.resources.fields import changed, gone, metadata, now, text
from tests.simulators.model_provider.shelf import Kept

_SHOWN = ("type", "mcp_server_url", "expires_at", "networking", "secret_name")


async def _create(exchange: Exchange) -> None:
    body = exchange.json()
    shown = {
        "id": exchange.provider.new_id("vault_"),
        "object": "vault",
        "created_at": now(),
        "name": body.get("name"),
        "metadata": metadata(body),
    }
    await exchange.answer(exchange.provider.shelf("vault").add(Kept(shown)).shown)


async def _list(exchange: Exchange) -> None:
    await exchange.answer(exchange.provider.shelf("vault").page(exchange.query))


async def _retrieve(exchange: Exchange) -> None:
    await exchange.answer(exchange.kept("vault").shown)


async def _update(exchange: Exchange) -> None:
    await exchange.answer(changed(exchange.kept("vault").shown, exchange.json(), "name", "metadata"))


async def _delete(exchange: Exchange) -> None:
    exchange.provider.shelf("vault").take(exchange.path_params["vault"])
    await exchange.answer(gone(exchange.path_params["vault"], "vault.deleted"))


def _auth(body: dict[str, Any]) -> dict[str, Any]:
    given = body.get("auth")
    if not isinstance(given, dict):
        raise errors.missing("auth")
    return {name: given[name] for name in _SHOWN if name in given}


def _credential(exchange: Exchange) -> Kept:
    return exchange.kept("vault").part("vault_credential").find(exchange.path_params["vault_credential"])


async def _create_credential(exchange: Exchange) -> None:
    vault, body = exchange.kept("vault"), exchange.json()
    shown = {
        "id": exchange.provider.new_id("cred_"),
        "object": "vault.credential",
        "created_at": now(),
        "updated_at": now(),
        "name": text(body, "name"),
        "vault_id": vault.shown["id"],
        "metadata": metadata(body),
        "auth": _auth(body),
    }
    await exchange.answer(vault.part("vault_credential").add(Kept(shown)).shown)


async def _list_credentials(exchange: Exchange) -> None:
    await exchange.answer(exchange.kept("vault").part("vault_credential").page(exchange.query))


async def _retrieve_credential(exchange: Exchange) -> None:
    await exchange.answer(_credential(exchange).shown)


async def _update_credential(exchange: Exchange) -> None:
    credential, body = _credential(exchange), exchange.json()
    changed(credential.shown, body, "metadata")
    if "auth" in body:
        credential.shown["auth"] |= _auth(body)
    credential.shown["updated_at"] = now()
    await exchange.answer(credential.shown)


async def _delete_credential(exchange: Exchange) -> None:
    exchange.kept("vault").part("vault_credential").take(exchange.path_params["vault_credential"])
    await exchange.answer(gone(exchange.path_params["vault_credential"], "vault.credential.deleted"))


_CREDENTIALS = "vaults/{vault}/credentials"
PATHS = {
    "vaults": {"POST": _create, "GET": _list},
    "vaults/{vault}": {"GET": _retrieve, "POST": _update, "DELETE": _delete},
    _CREDENTIALS: {"POST": _create_credential, "GET": _list_credentials},
    f"{_CREDENTIALS}/{{vault_credential}}": {
        "GET": _retrieve_credential,
        "POST": _update_credential,
        "DELETE": _delete_credential,
    },
}
