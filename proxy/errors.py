"""What callers are told when a call is not answered by an upstream: OpenAI's error shape, with a status that the SDKs map
to their exception types (https://platform.openai.com/docs/guides/error-codes).
"""

import math
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from proxy.endpoints import Endpoint

_encode = msgspec.json.Encoder().encode


class Refusal(Exception):
    """A call ends here. The message says what happened, why, and what to do; it never holds a secret."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        kind: str = "invalid_request_error",
        param: str | None = None,
        retry_after: float | None = None,
        should_retry: bool | None = None,
        close: bool = False,
        allow: bytes | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.kind = kind
        self.param = param
        self.retry_after = retry_after  # seconds
        self.should_retry = should_retry  # what SDKs are told of it beyond the status
        self.allow = allow  # the method that would do
        self.close = close  # the connection cannot be used again: the rest of the request was not read

    def headers(self) -> list[tuple[bytes, bytes]]:
        """What the answer's head says of it."""
        headers = []
        if self.retry_after is not None:
            headers.append((b"retry-after", b"%d" % max(1, math.ceil(self.retry_after))))
            headers.append((b"retry-after-ms", b"%d" % math.ceil(self.retry_after * 1000)))
        if self.should_retry is not None:
            headers.append((b"x-should-retry", b"true" if self.should_retry else b"false"))
        if self.allow is not None:
            headers.append((b"allow", self.allow))
        return headers

    def body(self) -> bytes:
        """The JSON that the caller gets."""
        return error_body(self.message, self.kind, self.code, self.param)


def error_body(message: str, kind: str, code: str | None, param: str | None = None) -> bytes:
    """OpenAI's error object as JSON."""
    return _encode({"error": {"message": message, "type": kind, "param": param, "code": code}})


def invalid_key() -> Refusal:
    """One answer for an unknown id and a wrong secret: nothing tells which keys exist."""
    return Refusal(
        401,
        "invalid_api_key",
        "Incorrect API key provided. Send a proxy key (adu_...) as 'Authorization: Bearer' or 'api-key'; "
        "your Aduana administrator issues them.",
    )


def missing_key() -> Refusal:
    return Refusal(
        401,
        "missing_api_key",
        "You didn't provide an API key. Send a proxy key (adu_...) in the 'Authorization: Bearer' or 'api-key' header.",
    )


def expired_key() -> Refusal:
    return Refusal(
        401,
        "expired_api_key",
        "This API key has expired. Ask your Aduana administrator to rotate it, and use the new one.",
    )


def disabled_key() -> Refusal:
    return Refusal(401, "disabled_api_key", "This API key is disabled. Ask your Aduana administrator for a new one.")


def credential_not_allowed(kind: str) -> Refusal:
    """`kind`: the one that was sent, as policies call it."""
    sent, wanted = (
        ("API keys", "an access token of Entra ID")
        if kind == "key"
        else ("tokens of Entra ID", "a proxy key (adu_...)")
    )
    return Refusal(
        403,
        "credential_not_allowed",
        f"Your policy does not take {sent} (allowed_credentials). Send {wanted}, or ask your Aduana administrator.",
        kind="permission_error",
    )


def method_not_allowed(method: str, path: str, allow: bytes | None = None) -> Refusal:
    return Refusal(405, "method_not_allowed", f"{method} is not allowed on {path}.", allow=allow)


def endpoint_not_served(endpoint: "Endpoint") -> Refusal:
    """For an endpoint that is never forwarded."""
    return Refusal(
        403,
        "endpoint_not_served",
        f"This gateway does not serve the endpoint '{endpoint.name}'. {endpoint.refused}",
        kind="permission_error",
    )


def unknown_url(method: str, path: str) -> Refusal:
    return Refusal(
        404,
        "unknown_url",
        f"Unknown request URL: {method} {path}. Point your SDK's base URL at this gateway's /v1 (OpenAI) or its root "
        "(AzureOpenAI).",
    )


def unknown_model(model: str) -> Refusal:
    """For a model without a route and one that the policy hides alike."""
    return Refusal(
        404,
        "model_not_found",
        f"The model '{model[:256]}' does not exist or you do not have access to it. GET /v1/models lists those you may use.",
        param="model",
    )


def upstream_failed(code: str) -> Refusal:
    """No upstream of the route gave an answer; `code` is the last attempt's error."""
    if code == "egress_refused":
        return Refusal(
            502,
            code,
            "This gateway may not call the model provider at the address that it has: it is not on the installation's list "
            "of hosts, or is no address of a provider. Your Aduana administrator finds it in the proxy's log.",
            kind="upstream_error",
            should_retry=False,
        )
    if code.endswith("_timeout"):
        message = f"The model provider did not answer in time ({code}). Try again, or ask for less output."
        return Refusal(504, code, message, kind="upstream_error")
    message = f"The model provider could not be reached or did not give a usable answer ({code}). Try again shortly."
    return Refusal(502, code, message, kind="upstream_error")


def upstream_refuses(status: int) -> Refusal:
    """The provider does not let the gateway in: nothing that the caller's own key could mend, nor another try."""
    return Refusal(
        502,
        "upstream_credential_refused",
        f"The model provider does not accept the gateway's own credential ({status}); your key is not what is wrong. Your "
        "Aduana administrator finds the upstream in the ledger and in the proxy's metrics.",
        kind="upstream_error",
        should_retry=False,
    )


def not_ready(what: str) -> Refusal:
    return Refusal(
        503,
        "gateway_not_ready",
        f"The gateway cannot serve this call now: {what}.",
        kind="server_error",
        retry_after=2.0,
    )
