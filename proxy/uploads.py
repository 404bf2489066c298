"""Forms that callers send, and what is done to each kind before it goes on."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from core.snapshot import Caller
from proxy.batch_files import BatchLines
from proxy.endpoints import Endpoint
from proxy.forms import FormBody, open_form
from proxy.routing import RouteTable

if TYPE_CHECKING:
    from proxy.calls import Gateway


# What may be large, and names nothing behind its file. SDKs put fields in the order in which their callers do.
_STREAMED = frozenset({"files.create", "uploads.parts.create", "containers.files.create"})


async def read_form(
    gateway: "Gateway",
    routes: RouteTable,
    caller: Caller,
    endpoint: Endpoint,
    headers: Sequence[tuple[bytes, bytes]],
    receive: Any,
    now: float,
) -> FormBody:
    """A form, read as far as it takes to know where it goes. Raises `Refusal`, `CallerGone`."""
    settings = gateway.settings
    form = open_form(headers, receive, settings.max_upload_bytes, settings.forms_dir)
    if endpoint.name not in _STREAMED:
        await form.keep()
    elif endpoint.name != "files.create":
        await form.keep_until_file()
    else:
        await form.keep_until_file("purpose")
        if form.field("purpose") == "batch":
            await form.keep()
            await BatchLines(gateway, routes, caller, now).rewrite(form)
    return form
