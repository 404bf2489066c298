"""The built-in seed file."""

import pytest

from core.seed.file import parse_seed
from deployer.local.first_seed import SIMULATED, built_in_seed, real_models

AZURE = {"AZURE_OPENAI_ENDPOINT": "https://contoso.openai.azure.com/", "AZURE_OPENAI_API_KEY": "azure-secret"}
OPENAI = {"OPENAI_API_KEY": "openai-secret"}


@pytest.mark.parametrize("environment", [{}, AZURE, OPENAI, AZURE | OPENAI])
def test_it_is_a_right_seed_file_that_names_credentials_and_holds_none(environment: dict[str, str]) -> None:
    text = built_in_seed(20_001, environment)
    seed = parse_seed(text.encode())
    assert seed.errors == ()
    assert seed.warnings == ()
    assert "secret\n" not in text
    assert not any(secret in text for secret in ("azure-secret", "openai-secret"))


@pytest.mark.parametrize(
    ("environment", "upstreams"),
    [
        ({}, {"simulator"}),
        (AZURE, {"simulator", "azure"}),
        (OPENAI, {"simulator", "openai"}),
        (AZURE | OPENAI, {"simulator", "azure", "openai"}),
        ({"AZURE_OPENAI_ENDPOINT": "https://contoso.openai.azure.com"}, {"simulator"}),
    ],
)
def test_real_upstreams_are_offered_when_the_environment_has_their_credentials(
    environment: dict[str, str], upstreams: set[str]
) -> None:
    seed = parse_seed(built_in_seed(20_001, environment).encode())
    assert {entity.name[0] for entity in seed.entities if entity.kind == "upstream"} == upstreams
    routes = {entity.name[0] for entity in seed.entities if entity.kind == "route"}
    assert routes.issuperset(SIMULATED)
    assert {route.partition("/")[0] for route in routes if "/" in route} == upstreams - {"simulator"}
    assert {route for route in routes if "/" in route} == set(real_models(environment))


def test_every_route_has_a_price() -> None:
    seed = parse_seed(built_in_seed(20_001, AZURE | OPENAI).encode())
    priced = {entity.name[:2] for entity in seed.entities if entity.kind == "price"}
    provider = {"simulator": "azure_openai", "azure": "azure_openai", "openai": "openai"}
    for route in (entity for entity in seed.entities if entity.kind == "route"):
        for target in route.values["targets"]:
            assert (provider[target["upstream"]], target["deployment"]) in priced
