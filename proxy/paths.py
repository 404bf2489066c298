"""Which row a method and a path name: literal paths by one look-up, the others segment by segment."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from proxy.endpoints import Azure, Endpoint, Sends

SOCKET = "SOCKET"
"""In the place of a method: a WebSocket."""

Apps = dict[str, Any]  # by method

# What providers' ids are made of; anything else names nothing, and must not bend an upstream's path.
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:~-]{0,255}").fullmatch

_DEPLOYMENTS = "/openai/deployments/"
_PREFIXES = ("/v1/", "/openai/v1/", "/openai/")


class _Node:
    """What may stand at one place of a path."""

    __slots__ = ("apps", "literal", "parameter")

    def __init__(self) -> None:
        self.apps: Apps = {}
        self.literal: dict[str, _Node] = {}
        self.parameter: tuple[str, _Node] | None = None

    def below(self, segment: str) -> "_Node":
        """The node of a segment of a row's path, made where there is none."""
        if not segment.startswith("{"):
            return self.literal.setdefault(segment, _Node())
        kind = segment[1:-1]
        if self.parameter is None:
            self.parameter = (kind, _Node())
        if self.parameter[0] != kind:
            raise ValueError(f"two rows name the same place {self.parameter[0]} and {kind}")
        return self.parameter[1]


class Paths:
    """The rows by path. Made once."""

    def __init__(self, apps: Iterable[tuple[Endpoint, Any]]) -> None:
        self.literal: dict[str, Apps] = {}
        self._root = _Node()
        self._of_deployments: dict[str, Apps] = {}  # by what follows the deployment
        for endpoint, app in apps:
            method = SOCKET if endpoint.sends is Sends.SOCKET else endpoint.method
            for prefix in _PREFIXES:
                if prefix == "/openai/" and endpoint.azure is Azure.DEPLOYMENT:
                    self._of_deployments.setdefault("/" + endpoint.path, {})[method] = app
                elif endpoint.kinds:
                    node = self._root
                    for segment in (prefix + endpoint.path).split("/")[1:]:
                        node = node.below(segment)
                    node.apps[method] = app
                else:
                    self.literal.setdefault(prefix + endpoint.path, {})[method] = app
        # The longest first: a deployment's completions must not be taken for those of one whose name ends in /chat.
        self._of_deployments = dict(sorted(self._of_deployments.items(), key=lambda each: -len(each[0])))

    def find(self, path: str) -> tuple[Apps, Mapping[str, str]] | None:
        """The row's applications by method, and what the path names by kind; None for a path in no row."""
        apps = self.literal.get(path)
        if apps is not None:
            return apps, {}
        if path.startswith(_DEPLOYMENTS):
            return self._by_deployment(path)
        return self._by_segments(path)

    def _by_deployment(self, path: str) -> tuple[Apps, Mapping[str, str]] | None:
        for rest, apps in self._of_deployments.items():
            deployment = path[len(_DEPLOYMENTS) : -len(rest)]
            if path.endswith(rest) and deployment and not deployment.startswith("/"):
                return apps, {"deployment": deployment}  # a model's name may hold slashes
        return None

    def _by_segments(self, path: str) -> tuple[Apps, Mapping[str, str]] | None:
        node, named = self._root, {}
        for segment in path.split("/")[1:]:
            below = node.literal.get(segment)
            if below is None:
                if node.parameter is None or not _ID(segment):
                    return None
                kind, below = node.parameter
                named[kind] = segment
            node = below
        return (node.apps, named) if node.apps else None
