"""The table as Markdown: what docs/surface.md shows (`python -m proxy.endpoints`)."""

import sys
from collections.abc import Iterator
from itertools import groupby

from proxy.endpoints import Azure, Endpoint, Metering, ModelAt, Sends
from proxy.endpoints.table import ENDPOINTS

_BILLED = {
    Metering.NONE: "",
    Metering.CHAT: "tokens",
    Metering.COMPLETIONS: "tokens",
    Metering.EMBEDDINGS: "tokens",
    Metering.RESPONSES: "tokens",
    Metering.IMAGES: "images, or tokens",
    Metering.SPEECH: "characters, or tokens",
    Metering.TRANSCRIPTION: "audio time, or tokens",
    Metering.RUN: "when it ends",
    Metering.REALTIME: "by its events",
    Metering.DEFERRED: "when it ends",
}
_MODEL = {
    ModelAt.NOWHERE: "",
    ModelAt.BODY: "body",
    ModelAt.BODY_OPTIONAL: "body, optional",
    ModelAt.FORM: "form",
    ModelAt.FORM_OPTIONAL: "form, optional",
    ModelAt.QUERY: "query",
    ModelAt.NESTED: "within the body",
    ModelAt.AGENT: "body's agent, or its object's",
}


def served() -> Iterator[str]:
    """A table for each scope, a line for each endpoint that is served."""
    for scope, rows in groupby((row for row in ENDPOINTS if row.refused is None), key=lambda row: row.scope):
        yield f"### {scope}"
        yield ""
        yield "| endpoint | call | model | objects | billed |"
        yield "|---|---|---|---|---|"
        for row in rows:
            billed = _BILLED[Metering.DEFERRED if row.resumes else row.metering]
            yield f"| `{row.name}` | {_call(row)} | {_MODEL[row.model]} | {_objects(row)} | {billed} |"
        yield ""


def refused() -> Iterator[str]:
    """The endpoints that are not served, by why."""
    rows = sorted((row for row in ENDPOINTS if row.refused is not None), key=lambda row: row.refused or "")
    for why, some in groupby(rows, key=lambda row: row.refused):
        yield f"- {why} " + ", ".join(f"`{row.name}`" for row in some) + "."


def _call(row: Endpoint) -> str:
    method = "WebSocket" if row.sends is Sends.SOCKET else row.method
    marks = [
        mark
        for mark, there in (
            ("form", row.sends is Sends.FORM),
            ("streams", row.streams or row.always_streams),
            ("binary", row.binary),
            ("by deployment", row.azure is Azure.DEPLOYMENT),
        )
        if there
    ]
    return f"{method} `/{row.path}`" + (f" ({', '.join(marks)})" if marks else "")


def _objects(row: Endpoint) -> str:
    said = []
    if row.makes is not None:
        said.append(
            f"makes a {row.makes}" + {None: "", True: " unless `store: false`", False: " if `store`"}[row.stores]
        )
    if row.ends:
        said.append("ends it")
    if row.lists is not None:
        said.append("lists the app's own")
    return ", ".join(said)


if __name__ == "__main__":
    sys.stdout.write("\n".join((*served(), *refused(), "")))
