"""The providers' error bodies, with the statuses and codes that their SDKs tell apart.

Azure's front answers in a shape of its own (`{"error": {"code", "message"}}`); what comes from the model behind it has
OpenAI's.
"""

from typing import Any


class ApiError(Exception):
    """An answer that is an error in OpenAI's shape."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind
        self.param = param
        self.code = code
        self.headers: dict[str, str] = {}
        """What its answer says besides."""

    def body(self) -> dict[str, Any]:
        """The JSON of it."""
        return {"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}}


class AzureError(ApiError):
    """An answer of Azure's front, in Azure's shape."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(status, message, code=code)

    def body(self) -> dict[str, Any]:
        """The JSON of it."""
        return {"error": {"code": self.code, "message": self.message}}


def masked(key: str) -> str:
    """A key as OpenAI shows it in its errors: both ends, the middle starred out."""
    if len(key) <= 12:
        return key[:2] + "*" * max(len(key) - 2, 3)
    return key[:6] + "*" * (len(key) - 10) + key[-4:]


def no_key() -> ApiError:
    """401: no credential came."""
    return ApiError(
        401,
        "You didn't provide an API key. You need to provide your API key in an Authorization header using "
        "Bearer auth (i.e. "
        "Authorization: Bearer YOUR_KEY), or as the password field (with blank username) if you're accessing "
        "the API from your browser "
        "and are prompted for a username and password. You can obtain an API key from https://platform.openai.com/account/api-keys.",
    )


def wrong_key(key: str) -> ApiError:
    """401: a credential came that is nobody's."""
    return ApiError(
        401,
        f"Incorrect API key provided: {masked(key)}. You can find your API key at https://platform.openai.com/account/api-keys.",
        code="invalid_api_key",
    )


def azure_denied() -> AzureError:
    """401 of Azure, the same for a wrong credential and for none."""
    return AzureError(
        401,
        "401",
        "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key "
        "for an active subscription "
        "and use a correct regional API endpoint for your resource.",
    )


def azure_token_denied() -> AzureError:
    """401 of Azure: an access token that is wrong, or not good any longer."""
    return AzureError(
        401,
        "401",
        "Unauthorized. Access token is missing, invalid, audience is incorrect (https://cognitiveservices.azure.com), "
        "or have expired.",
    )


def azure_not_found() -> AzureError:
    """404 of Azure: no such path, or no (or no known) api-version."""
    return AzureError(404, "404", "Resource not found")


def no_deployment() -> AzureError:
    """404 of Azure: no deployment of that name."""
    return AzureError(
        404,
        "DeploymentNotFound",
        "The API deployment for this resource does not exist. If you created the deployment within the last 5 "
        "minutes, please wait a moment "
        "and try again.",
    )


def no_model(name: str) -> ApiError:
    """404: no model of that name."""
    return ApiError(404, f"The model `{name}` does not exist or you do not have access to it.", code="model_not_found")


def no_object(kind: str, wanted: str, *, status: int = 404, param: str | None = None) -> ApiError:
    """404, or what a reference in a body gets: no object of that kind and id."""
    if kind == "file":
        return ApiError(status, f"No such File object: {wanted}", param=param or "id")
    if kind == "response":
        return ApiError(status, f"Response with id '{wanted}' not found.", param=param)
    return ApiError(status, f"No {kind.replace('_', ' ')} found with id '{wanted}'.", param=param)


def missing(param: str) -> ApiError:
    """400: a parameter that must be there is not."""
    return ApiError(400, f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter")


def wrong_type(param: str, expected: str) -> ApiError:
    """400: a parameter is not what it must be."""
    return ApiError(400, f"Invalid type for '{param}': expected {expected}.", param=param, code="invalid_type")


def wrong_value(param: str, message: str, code: str | None = "invalid_value") -> ApiError:
    """400: a parameter has a value that cannot be."""
    return ApiError(400, message, param=param, code=code)


def too_long(window: int, tokens: int, param: str) -> ApiError:
    """400: the prompt does not fit into the model's context."""
    message = (
        "Your input exceeds the context window of this model. Please adjust your input and try again."
        if param == "input"
        else f"This model's maximum context length is {window} tokens. However, your {param} resulted in "
        f"{tokens} tokens. "
        f"Please reduce the length of the {param}."
    )
    return ApiError(400, message, param=param, code="context_length_exceeded")


_KINDS = {
    400: "invalid_request_error",
    401: "invalid_request_error",
    403: "invalid_request_error",
    404: "invalid_request_error",
    409: "invalid_request_error",
    422: "invalid_request_error",
    429: "requests",
}
_CODES = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}
_MESSAGES = {
    429: "Rate limit reached for {model} in organization org-simulated on requests per min (RPM): Limit 3, "
    "Used 3, Requested 1. "
    "Please try again in {wait}s. Visit https://platform.openai.com/account/rate-limits to learn more.",
    500: "The server had an error while processing your request. Sorry about that!",
    503: "The engine is currently overloaded, please try again later.",
}
_AZURE_CODES = {429: "429", 500: "InternalServerError", 503: "ServiceUnavailable"}
_AZURE_MESSAGES = {
    429: "Requests to the Creates a completion for the chat message Operation under Azure OpenAI API have "
    "exceeded call rate limit of your "
    "current OpenAI S0 pricing tier. Please retry after {wait} seconds. Please go here: "
    "https://aka.ms/oai/quotaincrease if you would like "
    "to further increase the default rate limit.",
}


def by_status(
    status: int, *, azure: bool, model: str, wait: float | None, code: str | None, kind: str | None, message: str | None
) -> ApiError:
    """The error that goes with a status, where nothing more was said: what a fault answers."""
    values = {"model": model or "the model", "wait": f"{wait if wait is not None else 1:g}"}
    if azure and status in _AZURE_CODES:
        text = message or _AZURE_MESSAGES.get(status, _MESSAGES.get(status, "The request failed.")).format(**values)
        return AzureError(status, code or _AZURE_CODES[status], text)
    text = message or _MESSAGES.get(status, "The request failed.").format(**values)
    return ApiError(status, text, kind=kind or _KINDS.get(status, "server_error"), code=code or _CODES.get(status))
