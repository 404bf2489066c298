"""The surface: a row an endpoint (`table`), and what its columns mean. A path in no row is a clear 404.

The caller's path and method say which row; the row says where the call goes, what it may name, what it leaves behind, and
how it is metered.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Metering(Enum):
    """How a row's usage is read from its answers (proxy.metering)."""

    NONE = "none"  # nothing is billed, or it is billed where what was made is used
    CHAT = "chat"
    COMPLETIONS = "completions"
    EMBEDDINGS = "embeddings"
    RESPONSES = "responses"
    IMAGES = "images"
    SPEECH = "speech"
    TRANSCRIPTION = "transcription"
    RUN = "run"  # deferred, too: a run of an assistant goes on when its caller has hung up
    REALTIME = "realtime"
    DEFERRED = "deferred"  # known when what was made has ended (proxy.deferred)


UNMETERED = frozenset({Metering.NONE, Metering.DEFERRED, Metering.RUN, Metering.REALTIME})
"""Of rows whose answers themselves are not billed."""


class Azure(Enum):
    """Where Azure's dated surface has it; all of it is on /openai/v1, too."""

    DEPLOYMENT = "deployment"  # /openai/deployments/{deployment}/<path>?api-version=
    RESOURCE = "resource"  # /openai/<path>?api-version=


class ModelAt(Enum):
    """Where a call names its model."""

    NOWHERE = "nowhere"
    BODY = "body"  # the field `model`, required
    BODY_OPTIONAL = "body_optional"
    FORM = "form"  # the same of a multipart form
    FORM_OPTIONAL = "form_optional"
    QUERY = "query"  # ?model= (realtime)
    NESTED = "nested"  # any `model` within the body
    AGENT = "agent"  # `model` of the field `agent`, else that of the object which the call names


class Sends(Enum):
    """What a caller sends."""

    NOTHING = "nothing"
    JSON = "json"
    FORM = "form"  # multipart/form-data; some callers send JSON in its place
    SOCKET = "socket"  # a WebSocket


_BETA = {"assistants": b"assistants=v2", "agents": b"agents=v1"}  # by scope


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint. A path's parameters are named for the kind of object that they name."""

    name: str  # as the ledger says it: the SDK's resource and method
    scope: str  # what a policy's `allowed_endpoints` has to hold (core.policies.ENDPOINTS)
    method: str
    path: str  # behind /v1 and /openai/v1, without a slash in front: "vector_stores/{vector_store}/files"
    metering: Metering = Metering.NONE
    azure: Azure = Azure.RESOURCE
    model: ModelAt = ModelAt.NOWHERE
    sends: Sends = Sends.NOTHING
    streams: bool = False  # takes "stream": true
    always_streams: bool = False  # its answer is a stream, whatever its caller says
    stores: bool | None = None  # what leaving out `store` means; None: it knows no such field
    makes: str | None = None  # the kind of object that its answer's `id` names: remembered with its owner
    ends: bool = False  # the object that its path names is gone afterwards
    resumes: bool = False  # the object that its path names may work on: what that uses is asked for again
    lists: str | None = None  # answers the caller's own objects of a kind, from our table
    binary: bool = False  # its answer is no JSON
    refused: str | None = None  # why it is never forwarded
    kinds: tuple[str, ...] = field(init=False)  # of its path's parameters, in order
    verb: bytes = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "verb", self.method.encode("ascii"))
        object.__setattr__(self, "kinds", tuple(re.findall(r"\{(\w+)\}", self.path)))

    @property
    def beta(self) -> bytes | None:
        """The `OpenAI-Beta` that the gateway sends where it asks by itself; callers' SDKs send their own."""
        return _BETA.get(self.scope)

    @property
    def creates(self) -> bool:
        """Whether it changes something at the provider whatever the caller says: a second try could do it twice."""
        made = self.stores is None and self.makes is not None
        return self.method == "POST" and (made or self.metering is Metering.NONE)

    @property
    def updates(self) -> bool:
        """Whether it changes how the object that its path names works on."""
        return self.resumes and self.path.endswith("}")

    @property
    def settles(self) -> bool:
        """Whether what it makes for a model is used later, with objects of no model (an assistant, with threads)."""
        return self.model is ModelAt.BODY and self.makes is not None and self.metering is Metering.NONE

    def filled(self, values: Mapping[str, str]) -> str:
        """Its path for some objects; the values are percent-encoded already."""
        return re.sub(r"\{(\w+)\}", lambda match: values[match[1]], self.path)
