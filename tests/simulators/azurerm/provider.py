"""The provider as Terraform sees it: protocol 5 over gRPC.

One process serves any number of Terraforms at once. What one of them configured is kept by its connection.
"""

import json
import threading
from collections import OrderedDict
from concurrent import futures
from typing import Any

import grpc

from tests.simulators.azurerm import checks, operations, planning, protocol, schema, wire
from tests.simulators.azurerm.cloud import Azure
from tests.simulators.azurerm.rules import registration
from tests.simulators.azurerm.rules.attempt import Session

_REMEMBERED_CONNECTIONS = 4096
_WORKERS = 32
"""More than Terraform's ten at once, and room for a second one: a slow resource occupies one."""


class Provider:
    """Answers Terraform's calls."""

    def __init__(
        self, azure: Azure, environment: dict[str, str] | None = None, over: threading.Event | None = None
    ) -> None:
        """`environment` is that of the plugin's process (that of reattached ones, if left out); `over` is set when Terraform
        shuts the plugin down, which it does to those that it started itself."""
        self._azure, self._environment, self._over = azure, environment, over
        self._schema = schema.load()
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._lock = threading.Lock()

    def serve(
        self, address: str = "127.0.0.1:0", credentials: grpc.ServerCredentials | None = None
    ) -> tuple[grpc.Server, int]:
        """Start serving, with TLS if there are credentials; the server, and the port it is on."""
        server = grpc.server(
            futures.ThreadPoolExecutor(_WORKERS),
            options=[("grpc.so_reuseport", 0), ("grpc.max_send_message_length", -1)],
        )
        server.add_generic_rpc_handlers(
            (
                grpc.method_handlers_generic_handler(
                    protocol.SERVICE, {name: self._handler(name) for name in protocol.METHODS}
                ),
                grpc.method_handlers_generic_handler("plugin.GRPCStdio", {"StreamStdio": _SILENT}),
                grpc.method_handlers_generic_handler(
                    "plugin.GRPCController", {"Shutdown": grpc.unary_unary_rpc_method_handler(self._shut_down)}
                ),
            )
        )
        port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
        server.start()
        return server, port

    def _shut_down(self, _: Any, __: grpc.ServicerContext) -> bytes:
        if self._over is not None:
            self._over.set()
        return b""

    def _handler(self, name: str) -> grpc.RpcMethodHandler:
        method = getattr(self, _METHODS[name])
        answer = protocol.response(name)

        def handle(request: Any, context: grpc.ServicerContext) -> Any:
            said = method(request, context.peer())
            return said if isinstance(said, bytes) else answer(**said)

        return grpc.unary_unary_rpc_method_handler(
            handle,
            request_deserializer=protocol.request(name).FromString,
            response_serializer=lambda message: message if isinstance(message, bytes) else message.SerializeToString(),
        )

    def get_schema(self, _: Any, __: str) -> bytes:
        return schema.response()

    def prepare(self, request: Any, _: str) -> dict[str, Any]:
        faults = checks.of_provider(wire.read(request.config))
        return {
            "prepared_config": request.config,
            "diagnostics": [_error(fault.path, fault.summary, fault.detail) for fault in faults],
        }

    def validate_resource(self, request: Any, _: str) -> dict[str, Any]:
        type_ = self._schema.resources[request.type_name]
        return {
            "diagnostics": [
                _error(fault.path, fault.summary, fault.detail)
                for fault in checks.of_resource(type_, wire.read(request.config))
            ]
        }

    def validate_data_source(self, _: Any, __: str) -> dict[str, Any]:
        return {}

    def configure(self, request: Any, peer: str) -> dict[str, Any]:
        config = wire.read(request.config)
        environment = self._azure.environment if self._environment is None else self._environment
        subscription = config.get("subscription_id") or environment.get("ARM_SUBSCRIPTION_ID")
        if subscription is wire.UNKNOWN or not subscription:
            return {"diagnostics": [_error((), _NO_SUBSCRIPTION)]}
        cloud = self._azure.subscription(subscription)
        fault = cloud.strike("configure", "provider", f"/subscriptions/{subscription}")
        if fault is not None and (fault.text or fault.refusal is not None):
            text = fault.text or (fault.refusal and (fault.refusal.sentence or fault.refusal.message)) or ""
            return {"diagnostics": [_error((), f"building account: {text}")]}
        features = (config.get("features") or [{}])[0]
        client = environment.get("ARM_CLIENT_OBJECT_ID") or cloud.digest("client")
        application = config.get("client_id") or environment.get("ARM_CLIENT_ID") or client
        cloud.tenant = config.get("tenant_id") or environment.get("ARM_TENANT_ID") or cloud.tenant
        session = Session(cloud, client, application, features)
        listed = config.get("resource_providers_to_register") or []
        registration.register_for(session, config.get("resource_provider_registrations"), listed)
        with self._lock:
            self._sessions[peer] = session
            while len(self._sessions) > _REMEMBERED_CONNECTIONS:
                self._sessions.popitem(last=False)
        return {}

    def upgrade(self, request: Any, _: str) -> dict[str, Any]:
        type_ = self._schema.resources[request.type_name]
        return {"upgraded_state": wire.write(schema.conform(type_.block, json.loads(request.raw_state.json)))}

    def read(self, request: Any, peer: str) -> dict[str, Any]:
        type_ = self._schema.resources[request.type_name]
        current = wire.read(request.current_state)
        try:
            found = operations.read(self._session(peer), type_, current)
        except operations.Failed as failure:
            return {"new_state": request.current_state, "diagnostics": [_error((), str(failure))]}
        return {"new_state": wire.write(found), "private": request.private}

    def plan(self, request: Any, peer: str) -> dict[str, Any]:
        type_ = self._schema.resources[request.type_name]
        proposed = wire.read(request.proposed_new_state)
        if proposed is None:
            return {"planned_state": request.proposed_new_state, "planned_private": request.prior_private}
        prior = wire.read(request.prior_state)
        faults = checks.of_creation(type_, proposed) if prior is None else []
        if faults:
            return {"diagnostics": [_error(fault.path, fault.summary, fault.detail) for fault in faults]}
        plan = planning.plan(type_, prior, proposed)
        return {
            "planned_state": wire.write(plan.planned),
            "requires_replace": [_path(path) for path in plan.replaces],
            "planned_private": request.prior_private,
            "legacy_type_system": True,
        }

    def apply(self, request: Any, peer: str) -> dict[str, Any]:
        type_ = self._schema.resources[request.type_name]
        prior, planned = wire.read(request.prior_state), wire.read(request.planned_state)
        session = self._session(peer)
        try:
            if planned is None:
                operations.delete(session, type_, prior)
                state = None
            elif prior is None:
                state = operations.create(session, type_, planned)
            else:
                state = operations.update(session, type_, prior, planned)
        except operations.Failed as failure:
            left = prior if failure.state is None or planned is None else failure.state
            return {
                "new_state": wire.write(left),
                "diagnostics": [_error((), str(failure))],
                "legacy_type_system": True,
            }
        return {"new_state": wire.write(state), "private": request.planned_private, "legacy_type_system": True}

    def import_state(self, request: Any, peer: str) -> dict[str, Any]:
        type_ = self._schema.resources[request.type_name]
        try:
            state = operations.imported(self._session(peer), type_, request.id)
        except operations.Failed as failure:
            return {"diagnostics": [_error((), str(failure))]}
        imported = protocol.MESSAGES["ImportResourceState.ImportedResource"]
        return {"imported_resources": [imported(type_name=request.type_name, state=wire.write(state))]}

    def read_data(self, request: Any, peer: str) -> dict[str, Any]:
        type_ = self._schema.data_sources[request.type_name]
        try:
            state = operations.read_data(self._session(peer), type_, wire.read(request.config))
        except operations.Failed as failure:
            return {"diagnostics": [_error((), str(failure))]}
        return {"state": wire.write(state)}

    def stop(self, _: Any, peer: str) -> dict[str, Any]:
        with self._lock:
            session = self._sessions.get(peer)
        if session is not None:
            session.stopped.set()
        return {}

    def _session(self, peer: str) -> Session:
        with self._lock:
            return self._sessions[peer]


_NO_SUBSCRIPTION = (
    "building account: unable to configure ResourceManagerAccount: subscription ID could not be determined and was not "
    "specified"
)

_METHODS = {
    "GetSchema": "get_schema",
    "PrepareProviderConfig": "prepare",
    "ValidateResourceTypeConfig": "validate_resource",
    "ValidateDataSourceConfig": "validate_data_source",
    "UpgradeResourceState": "upgrade",
    "Configure": "configure",
    "ReadResource": "read",
    "PlanResourceChange": "plan",
    "ApplyResourceChange": "apply",
    "ImportResourceState": "import_state",
    "ReadDataSource": "read_data",
    "Stop": "stop",
}

# go-plugin asks for the plugin's output; there is none.
_SILENT = grpc.unary_stream_rpc_method_handler(lambda request, context: iter(()))


def _path(path: planning.Path) -> Any:
    message = protocol.AttributePath()
    for step in path:
        if isinstance(step, int):
            message.steps.add(element_key_int=step)
        else:
            message.steps.add(attribute_name=step)
    return message


def _error(path: planning.Path, summary: str, detail: str = "") -> Any:
    """A diagnostic as the provider's SDK makes one of an error: mostly, all of it is the summary."""
    diagnostic = protocol.Diagnostic(severity=protocol.ERROR, summary=summary, detail=detail)
    if path:
        diagnostic.attribute.CopyFrom(_path(path))
    return diagnostic
