"""Every method of the pinned SDK is in a row of the table."""

import re

import pytest

from proxy.endpoints import Sends
from proxy.endpoints.table import ENDPOINTS
from tests.proxy.surface.sdk import Operation, operations, sockets

ROWS = {(row.method, "/" + re.sub(r"\{\w+\}", "{}", row.path)) for row in ENDPOINTS if row.sends is not Sends.SOCKET}
# The catalogue of models is the gateway's own (proxy.catalogue).
ROWS |= {("GET", "/models"), ("GET", "/models/{}")}

OPERATIONS = list(dict.fromkeys(operations()))


def test_the_walk_finds_the_sdk():
    assert len(OPERATIONS) > 200
    assert {"chat.completions.completions.Completions.create", "files.Files.content"} <= {o.name for o in OPERATIONS}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_a_method_of_the_sdk_is_in_a_row(operation: Operation):
    assert (operation.method, operation.path) in ROWS


def test_what_the_sdk_connects_to_is_in_a_row():
    paths = {row.path for row in ENDPOINTS if row.sends is Sends.SOCKET}
    of_modules = {
        "realtime.realtime": "realtime",
        "beta.realtime.realtime": "realtime",
        "realtime.translations.translations": "realtime/translations",
        "beta.responses.responses": "responses",
        "responses.responses": "responses",
        "live.live": "live",
        "live.sideband": "live",
        "live.forks": "live",
    }
    assert sockets() <= of_modules.keys()
    assert {of_modules[module] for module in sockets()} <= paths
