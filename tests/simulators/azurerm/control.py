"""How tests steer the cloud: a small HTTP API beside the provider.

Everything is below `/{subscription}/`; a body that is no good is answered 400 with what is wrong.

| request | what it does |
|---|---|
| `GET resources[?type=]` | what exists, oldest first: `type`, `id`, `values` |
| `PUT resources` | `{"type": …, "values": {…}}`: make a resource that Terraform did not make |
| `PATCH resources` | `{"type": …, "id": …, "values": {…}}`: change attributes from outside |
| `DELETE resources?type=&id=` | delete from outside, with all that lives in it |
| `GET deleted`, `DELETE deleted` | what is soft-deleted; purge it |
| `PUT faults` | `[{…}]`: what goes wrong from now on (`cloud.Fault`) |
| `PUT behaviours` | `{…}`: what of Azure is played (`cloud.BEHAVIOURS`) |
| `GET journal`, `DELETE journal` | what was asked of the cloud, in order |

`PUT /environment` sets the `ARM_…` variables of the provider's process.
"""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.simulators.azurerm import operations, schema
from tests.simulators.azurerm.cloud import Azure, Cloud, Resource, fault_from

Query = dict[str, str]


def serve(azure: Azure) -> tuple[ThreadingHTTPServer, str]:
    """Start the API on a free port; the server and its URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet: a second one would wait for the first one's acknowledgement

        def _do(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            try:
                answer, status = answered(azure, self.command, self.path, body), 200
            except (KeyError, ValueError, TypeError) as error:
                answer, status = {"error": f"{type(error).__name__}: {error}"}, 400
            encoded = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded)

        do_GET = do_PUT = do_PATCH = do_DELETE = _do

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_address[1]}"


def answered(azure: Azure, method: str, target: str, body: Any) -> Any:
    """The answer to one request.

    Raises:
        KeyError, ValueError, TypeError: the request is no good.
    """
    parts = urlsplit(target)
    if parts.path == "/environment" and method == "PUT":
        azure.environment = dict(body)
        return {}
    subscription, _, what = parts.path.strip("/").partition("/")
    return _ROUTES[f"{method} {what}"](azure.subscription(subscription), dict(parse_qsl(parts.query)), body)


def _list(cloud: Cloud, query: Query, _: Any) -> Any:
    with cloud.lock:
        return [_told(resource) for resource in cloud.resources.values() if query.get("type") in (None, resource.type)]


def _put(cloud: Cloud, _: Query, body: Any) -> Any:
    return _told(operations.put(cloud, schema.load().resources[body["type"]], body["values"]))


def _patch(cloud: Cloud, _: Query, body: Any) -> Any:
    type_ = schema.load().resources[body["type"]]
    with cloud.lock:
        resource = _found(cloud, body["type"], body["id"])
        strangers = set(body["values"]) - set(type_.block.attributes) - set(type_.block.blocks)
        if strangers:
            raise ValueError(f"{type_.name} has no {', '.join(sorted(strangers))}")
        resource.values = schema.conform(type_.block, {**resource.values, **body["values"]})
        return _told(resource)


def _delete(cloud: Cloud, query: Query, _: Any) -> Any:
    with cloud.lock:
        cloud.remove(query["type"], _found(cloud, query["type"], query["id"]).id)
    return {}


def _found(cloud: Cloud, type_name: str, resource_id: str) -> Resource:
    found = cloud.find(type_name, resource_id)
    if found is None:
        raise ValueError(f"there is no {type_name} {resource_id}")
    return found


def _told(resource: Resource) -> dict[str, Any]:
    return {"type": resource.type, "id": resource.id, "values": resource.values}


def _deleted(cloud: Cloud, _: Query, __: Any) -> Any:
    with cloud.lock:
        return [_told(resource) for resource in cloud.deleted.values()]


def _purge(cloud: Cloud, _: Query, __: Any) -> Any:
    with cloud.lock:
        cloud.deleted.clear()
    return {}


def _faults(cloud: Cloud, _: Query, body: Any) -> Any:
    faults = [fault_from(told) for told in body]
    cloud.replace_faults(faults)
    return {}


def _behaviours(cloud: Cloud, _: Query, body: Any) -> Any:
    strangers = set(body) - set(cloud.behaviours)
    if strangers:
        raise ValueError(
            f"there is no behaviour {', '.join(sorted(strangers))}; there are {', '.join(sorted(cloud.behaviours))}"
        )
    with cloud.lock:
        cloud.behaviours.update(body)
        return cloud.behaviours


def _journal(cloud: Cloud, _: Query, __: Any) -> Any:
    with cloud.lock:
        return [dict(entry) for entry in cloud.journal]


def _forget(cloud: Cloud, _: Query, __: Any) -> Any:
    with cloud.lock:
        cloud.journal.clear()
    return {}


_ROUTES: dict[str, Callable[[Cloud, Query, Any], Any]] = {
    "GET resources": _list,
    "PUT resources": _put,
    "PATCH resources": _patch,
    "DELETE resources": _delete,
    "GET deleted": _deleted,
    "DELETE deleted": _purge,
    "PUT faults": _faults,
    "PUT behaviours": _behaviours,
    "GET journal": _journal,
    "DELETE journal": _forget,
}
