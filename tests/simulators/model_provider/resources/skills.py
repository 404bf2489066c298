"""Skills and their versions; a skill's name and description stand in its SKILL.md."""

import hashlib
import io
import re
import zipfile
from typing import Any

from tests.simulators.model_provider import errors
from tests.simulators.model_provider.exchange import Exchange
from tests.simulators.model_provider.forms import SentFile
from tests.simulators.model_provider.resources import files
from tests.simulators.model_provider.resources.fields import flag, gone, now, text
from tests.simulators.model_provider.shelf import Kept

_FIELD = re.compile(r"^(name|description):\s*(.+?)\s*$", re.MULTILINE)


def _sent(exchange: Exchange) -> list[SentFile]:
    given = exchange.form().get("files")
    sent = [one for one in (given if isinstance(given, list) else [given]) if isinstance(one, SentFile)]
    if not sent:
        raise errors.missing("files")
    return sent


def _packed(sent: list[SentFile]) -> SentFile:
    """One archive of all files."""
    if len(sent) == 1 and sent[0].content.startswith(b"PK"):
        return sent[0]
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for file in sent:
            archive.writestr(file.filename, file.content)
    data = written.getvalue()
    return SentFile("skill.zip", "application/zip", len(data), hashlib.sha256(data).hexdigest(), data)


def _add_version(exchange: Exchange, skill: Kept, sent: list[SentFile]) -> Kept:
    manual = next((file.content for file in sent if file.filename.endswith("SKILL.md")), b"")
    said = dict(_FIELD.findall(manual.decode("utf-8", "replace")))
    number = str(int(skill.shown["latest_version"]) + 1)
    shown = {
        "id": exchange.provider.new_id("skillver_"),
        "object": "skill.version",
        "created_at": now(),
        "skill_id": skill.shown["id"],
        "version": number,
        "name": said.get("name", "skill"),
        "description": said.get("description", ""),
    }
    skill.shown["latest_version"] = number
    return skill.part("version").add(Kept(shown, inside=_packed(sent)))


def _made_default(skill: Kept, version: Kept) -> None:
    shown = version.shown
    skill.shown |= {
        "default_version": shown["version"],
        "name": shown["name"],
        "description": shown["description"],
    }


async def _create(exchange: Exchange) -> None:
    sent = _sent(exchange)
    shown: dict[str, Any] = {
        "id": exchange.provider.new_id("skill_"),
        "object": "skill",
        "created_at": now(),
        "latest_version": "0",
    }
    skill = Kept(shown)
    _made_default(skill, _add_version(exchange, skill, sent))
    exchange.provider.shelf("skill").add(skill)
    await exchange.answer(shown)


async def _list(exchange: Exchange) -> None:
    await exchange.answer(exchange.provider.shelf("skill").page(exchange.query))


async def _retrieve(exchange: Exchange) -> None:
    await exchange.answer(exchange.kept("skill").shown)


async def _update(exchange: Exchange) -> None:
    skill = exchange.kept("skill")
    _made_default(skill, _numbered(skill, text(exchange.json(), "default_version")))
    await exchange.answer(skill.shown)


async def _delete(exchange: Exchange) -> None:
    exchange.provider.shelf("skill").take(exchange.path_params["skill"])
    await exchange.answer(gone(exchange.path_params["skill"], "skill.deleted"))


async def _content(exchange: Exchange) -> None:
    skill = exchange.kept("skill")
    await files.send(exchange, _numbered(skill, skill.shown["default_version"]).inside)


def _numbered(skill: Kept, number: str) -> Kept:
    found = next((one for one in skill.part("version").all() if one.shown["version"] == number), None)
    if found is None:
        raise errors.no_object("version", number)
    return found


async def _create_version(exchange: Exchange) -> None:
    skill = exchange.kept("skill")
    version = _add_version(exchange, skill, _sent(exchange))
    if flag(exchange.form(), "default"):
        _made_default(skill, version)
    await exchange.answer(version.shown)


async def _list_versions(exchange: Exchange) -> None:
    await exchange.answer(exchange.kept("skill").part("version").page(exchange.query))


def _version(exchange: Exchange) -> Kept:
    return _numbered(exchange.kept("skill"), exchange.path_params["version"])


async def _retrieve_version(exchange: Exchange) -> None:
    await exchange.answer(_version(exchange).shown)


async def _delete_version(exchange: Exchange) -> None:
    version = _version(exchange)
    exchange.kept("skill").part("version").take(version.shown["id"])
    answer = gone(version.shown["id"], "skill.version.deleted")
    await exchange.answer({**answer, "version": version.shown["version"]})


async def _version_content(exchange: Exchange) -> None:
    await files.send(exchange, _version(exchange).inside)


_VERSION = "skills/{skill}/versions/{version}"
PATHS = {
    "skills": {"POST": _create, "GET": _list},
    "skills/{skill}": {"GET": _retrieve, "POST": _update, "DELETE": _delete},
    "skills/{skill}/content": {"GET": _content},
    "skills/{skill}/versions": {"POST": _create_version, "GET": _list_versions},
    _VERSION: {"GET": _retrieve_version, "DELETE": _delete_version},
    f"{_VERSION}/content": {"GET": _version_content},
}
