"""Which row a path names, on each surface."""

import pytest

from core import policies
from proxy.endpoints import Azure, Sends
from proxy.endpoints.table import ENDPOINTS
from proxy.paths import SOCKET, Paths

PATHS = Paths((row, row.name) for row in ENDPOINTS)


def surfaces(path: str, azure: Azure) -> list[str]:
    dated = f"/openai/deployments/some/model/{path}" if azure is Azure.DEPLOYMENT else f"/openai/{path}"
    return [f"/v1/{path}", f"/openai/v1/{path}", dated]


@pytest.mark.parametrize("row", ENDPOINTS, ids=lambda row: row.name)
def test_every_row_is_found_on_every_surface_with_the_ids_that_its_path_names(row):
    ids = {kind: f"{kind}_1-a" for kind in row.kinds}
    for path in surfaces(row.filled(ids), row.azure):
        found = PATHS.find(path)
        assert found is not None, path
        apps, named = found
        assert apps[SOCKET if row.sends is Sends.SOCKET else row.method] == row.name
        assert {kind: named.get(kind) for kind in row.kinds} == ids
        assert named.get("deployment") == ("some/model" if "/deployments/" in path else None)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1",
        "/v1/",
        "/v1/files/",
        "/v1//files",
        "/v1/files/..",
        "/v1/files/.",
        "/v1/files/a/b",
        "/v1/files/a%2Fb",
        "/v1/files/a?b",
        "/v1/files/ä",
        "/v1/files/" + "x" * 257,
        "/v2/files",
        "/openai/deployments//chat/completions",
        "/openai/v1/openai/files",
    ],
)
def test_a_path_in_no_row_is_none(path):
    assert PATHS.find(path) is None


def test_names_are_the_rows_own():
    assert len({row.name for row in ENDPOINTS}) == len(ENDPOINTS)
    assert len({(row.method, row.path, row.sends is Sends.SOCKET) for row in ENDPOINTS}) == len(ENDPOINTS)


def test_a_policy_may_name_every_endpoint_that_is_served_and_no_other():
    assert set(policies.ENDPOINTS) == {row.scope for row in ENDPOINTS if row.refused is None}
