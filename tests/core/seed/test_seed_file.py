"""What a seed file may say, and the sentence and line for everything that it may not."""

from pathlib import Path

import pytest

from core.egress import AllowedHosts
from core.seed.file import KEYS, parse_seed, read_seed

EXAMPLE = Path(__file__).parent / "design_example.yaml"
KEY = "adu_abcdefgh_" + "s" * 43


def errors(text: str) -> list[str]:
    return [str(error) for error in parse_seed(text.encode()).errors]


def test_the_example_of_the_design_loads():
    seed = read_seed(EXAMPLE)
    assert seed.errors == ()
    named = {(entity.kind, entity.path): entity.values for entity in seed.entities}
    assert named["policy", "standard"]["models"] == {"gpt-4o": {"tokens_per_minute": 40000}}
    assert named["upstream", "aoai-uksouth"]["auth"] == {"secret_ref": "kv://contoso-kv/aoai-uksouth"}
    assert named["route", "gpt-4o"]["targets"][1] == {
        "upstream": "aoai-uksouth",
        "deployment": "gpt-4o",
        "model": None,
        "priority": 1,
        "weight": 3,
        "settings": {},
    }
    assert named["api_key", "contoso/research/chatbot/ci"]["secret_ref"] == "env:CHATBOT_KEY"
    assert named["budget", "team:contoso/research month"]["amount_usd"] == "500"
    assert named["price", "azure_openai gpt-4o 2024-10-01"] == {
        "input_per_million": "2.5",
        "cached_input_per_million": "1.25",
        "output_per_million": "10",
    }


def test_what_is_stored_and_not_yet_enforced_is_said_in_one_warning():
    warnings = [str(warning) for warning in read_seed(EXAMPLE).warnings]
    stored = [warning for warning in warnings if "does not yet enforce" in warning]
    assert len(stored) == 1
    assert "logging" in stored[0] and "retention_days" in stored[0] and "fallback" not in stored[0]
    assert "tokens_per_minute" not in stored[0] and "downshift" not in stored[0]


UPSTREAM = (
    "upstreams:\n  - name: a\n    provider: openai\n    endpoint: https://api.openai.com\n    auth: {none: true}\n"
)
ROUTE = "routes:\n  - model: m\n    targets:\n      - upstream: a\n        deployment: d\n"


def upstream(**changed: str) -> str:
    fields = {"name": "a", "provider": "azure_openai", "endpoint": "https://x.openai.azure.com", "auth": "{none: true}"}
    return "upstreams:\n  -\n" + "".join(f"    {key}: {value}\n" for key, value in (fields | changed).items())


def price(**changed: str) -> str:
    fields = {
        "provider": "openai",
        "model": "m",
        "input_per_million": '"1"',
        "output_per_million": '"2"',
        "effective_from": "2024-10-01",
    }
    return "prices:\n  -\n" + "".join(f"    {key}: {value}\n" for key, value in (fields | changed).items())


def budget(**changed: str) -> str:
    fields = {"scope": "client:c", "period": "month", "amount_usd": "5", "on_exceeded": "block"}
    return "budgets:\n  -\n" + "".join(f"    {key}: {value}\n" for key, value in (fields | changed).items())


@pytest.mark.parametrize(
    ("text", "line", "sentence"),
    [
        ("upstream: []\n", 1, "unknown key 'upstream'; did you mean upstreams?"),
        ("- a\n", 1, "a seed file must be a mapping"),
        ("routes: x\n", 1, "routes must be a list"),
        ("routes:\n  - x\n", 2, "a route must be a mapping"),
        (UPSTREAM + "    strem_usage: true\n", 6, "unknown key 'strem_usage'; did you mean stream_usage?"),
        (upstream(provider="azure"), 4, "provider must be azure_openai, openai or openai_compatible"),
        (upstream(name="a/b"), 3, "name must be 1 to 128 letters"),
        (upstream(name="7"), 3, "name must be a text; put it in quotes"),
        (upstream(name="''"), 3, "name must be a text of 1 to 256"),
        (upstream(endpoint="http://contoso.openai.azure.com"), 5, "endpoint must be https"),
        (upstream(endpoint="https://u:p@contoso.com"), 5, "endpoint must not hold a user or password"),
        (upstream(endpoint="https://contoso.com/?api-version=1"), 5, "endpoint must not have a query"),
        (upstream(endpoint="contoso.com"), 5, "endpoint must be a URL"),
        (upstream(endpoint="https://contoso.com:99999"), 5, "endpoint is no URL that can be read"),
        (upstream(endpoint="https://con toso.com"), 5, "endpoint must be a plain URL without blanks"),
        (upstream(provider="openai", api_version="2024-10-21"), 7, "api_version is for azure_openai"),
        (upstream(stream_usage="maybe"), 7, "stream_usage must be true or false"),
        (upstream(auth="{}"), 6, "auth needs exactly one of"),
        (upstream(auth='{none: true, secret_ref: "env:A"}'), 6, "auth needs exactly one of"),
        (upstream(auth="{none: false}"), 6, "none must be true, or left out"),
        (upstream(auth="{none: true, client_id: x}"), 6, "client_id belongs to managed_identity"),
        (upstream(auth="{none: true, audience: x}"), 6, "audience belongs to managed_identity"),
        (upstream(auth="{managed_identity: true, client_id: x}"), 6, "client_id must be a client id, such as"),
        (upstream(auth='{managed_identity: true, audience: "x"}'), 6, "audience must be a scope, such as https://"),
        (upstream(provider="openai", auth="{managed_identity: true}"), 6, "OpenAI takes no Entra ID tokens"),
        (upstream(auth='{secret_ref: "vault:x"}'), 6, "secret_ref: this is not a secret reference"),
        (UPSTREAM + UPSTREAM.removeprefix("upstreams:\n"), 6, "the upstream 'a' is given twice, first on line 2"),
        (UPSTREAM + ROUTE + "        weight: 0\n", 11, "weight must be a whole number from 1"),
        (UPSTREAM + ROUTE + "        wieght: 3\n", 11, "unknown key 'wieght'; did you mean weight?"),
        (UPSTREAM + ROUTE + "        priority: -1\n", 11, "priority must be a whole number from 0"),
        (
            UPSTREAM + ROUTE + "      - {upstream: a, deployment: d}\n",
            11,
            "the target a/d is given twice, first on line 9",
        ),
        (UPSTREAM + ROUTE + "    fallback: m\n", 11, "fallback names the route itself"),
        (UPSTREAM + ROUTE + "    aliases: [x, m]\n", 11, "'m' is already the name of a route, on line 7"),
        (
            UPSTREAM
            + ROUTE
            + "    aliases: [x]\n  - {model: n, aliases: [x], targets: [{upstream: a, deployment: d}]}\n",
            12,
            "'x' is already the name of an alias, on line 11",
        ),
        (UPSTREAM + ROUTE + "    aliases: [o3-*]\n", 11, "an alias is a whole name"),
        (UPSTREAM + ROUTE + "    overrides: {tools: []}\n", 11, "overrides cannot set 'tools'"),
        (UPSTREAM + ROUTE.replace("model: m", "model: o*3"), 7, "model holds a star at its end alone"),
        (UPSTREAM + ROUTE.replace("deployment: d", "deployment: d*"), 10, "deployment is a name, or * for the model"),
        ("policies:\n  - name: p\n    allowed_models: ['o*3']\n", 3, "allowed_models holds a star at its end alone"),
        ("policies:\n  - name: p\n    models: {'o*3': {tokens_per_minute: 1}}\n", 3, "holds a star at its end alone"),
        ("routes:\n  - {model: m, targets: []}\n", 2, "targets must name at least one target"),
        ("routes:\n  - {model: m}\n", 2, "a route needs targets"),
        (
            "policies:\n  - {name: p, tokens_per_minut: 1}\n",
            2,
            "unknown key 'tokens_per_minut'; did you mean tokens_per_min",
        ),
        ("policies:\n  - name: p\n    tokens_per_minute: 0\n", 3, "tokens_per_minute must be a whole number from 1"),
        ("policies:\n  - name: p\n    over_cap: cut\n", 3, "over_cap must be clamp or refuse"),
        (
            "policies:\n  - name: p\n    logging: full\n",
            3,
            "logging must be none, metadata or redacted: full does not work",
        ),
        ("policies:\n  - name: p\n    time_zone: Mars/Base\n", 3, "time_zone must be a time zone"),
        ("policies:\n  - name: p\n    models:\n      m:\n        rpm: 1\n", 5, "unknown key 'rpm'"),
        ("policies:\n  - name: p\n    allowed_endpoints:\n      - chat\n", 4, "allowed_endpoints must be one of"),
        ("policies:\n  - {name: p}\n  - {name: p}\n", 3, "the policy 'p' is given twice, first on line 2"),
        ("clients:\n  - name: c\n    team: []\n", 3, "unknown key 'team'; did you mean teams?"),
        (
            "clients:\n  - name: c\n    teams:\n      - {name: t}\n      - {name: t}\n",
            5,
            "the team 'c/t' is given twice",
        ),
        (budget(scope="org:c"), 3, "scope must be client:C, team:C/T"),
        (budget(scope="team:c"), 3, "scope must be client:C, team:C/T"),
        (budget(period="year"), 4, "period must be day, week, month or total"),
        (budget(amount_usd='"5 USD"'), 5, "amount_usd must be an amount in US dollars"),
        (budget(on_exceeded="throttle"), 6, "on_exceeded: throttle needs throttle"),
        (budget(throttle="{requests_per_minute: 1}"), 7, "throttle belongs to on_exceeded: throttle"),
        (budget(alerts="[0.8, 0.80]"), 7, "the alert at 0.80 is given twice"),
        (budget(alerts="[80%]"), 7, "alerts are shares of the amount"),
        (price(input_per_million="-1"), 5, "input_per_million must be an amount"),
        (price(input_per_million='"0.0000000001"'), 5, "input_per_million is finer than a nano-dollar"),
        (price(input_per_million="1e3"), 5, "input_per_million must be an amount"),
        (price(effective_from="2024-02-30"), 7, "effective_from must be a date"),
        (price(effective_from="20241001"), 7, "effective_from must be a text"),
        (price(output_per_million="null"), 3, "a price needs output_per_million"),
        (price() + price().removeprefix("prices:\n"), 10, "the price 'openai m 2024-10-01' is given twice"),
    ],
)
def test_a_mistake_is_named_with_its_line(text, line, sentence):
    found = errors(text)
    assert len(found) == 1, found
    assert found[0].startswith(f"seed.yaml:{line}: {sentence}"), found[0]


def test_all_mistakes_are_told_at_once():
    text = upstream(provider="azure", endpoint="x") + budget(period="year") + "colour: red\n"
    assert len(errors(text)) == 4


def test_a_secret_pasted_for_a_reference_is_not_repeated():
    text = (
        f"clients: [{{name: c, teams: [{{name: t, apps: [{{name: a, keys: [{{name: k, secret_ref: {KEY}}}]}}]}}]}}]\n"
    )
    found = errors(text + upstream(auth=f"{{secret_ref: {KEY}}}"))
    assert len(found) == 2
    assert not any("ssss" in each for each in found)


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://127.0.0.1:9000",
        "http://localhost:9000/base",
        "http://[::1]:9000",
        "http://10.1.2.3",
        "http://vllm:8000/v1",
        "http://vllm.models.svc:8000",
        "https://api.openai.com/v1",
    ],
)
def test_http_is_for_this_machine_and_private_networks(endpoint):
    assert errors(upstream(endpoint=f'"{endpoint}"')) == []


@pytest.mark.parametrize(
    ("endpoint", "problem"),
    [
        ("https://evil.example", "evil.example is not on the installation's list (ADUANA_EGRESS_HOSTS)"),
        ("http://169.254.169.254/metadata", "is a link-local address"),
        ("http://[fe80::1]", "is a link-local address"),
        ("https://168.63.129.16", "is Azure's platform address"),
        ("https://2852039166", "is an address in an odd spelling"),
        ("https://0xa9.0xfe.0xa9.0xfe", "is an address in an odd spelling"),
        ("https://metadata.google.internal", "is a metadata service"),
    ],
)
def test_an_endpoint_that_is_never_called_is_named_with_its_line(endpoint, problem):
    allowed = AllowedHosts.parse("*.openai.azure.com")
    (error,) = parse_seed(upstream(endpoint=f'"{endpoint}"').encode(), allowed=allowed).errors
    assert error.place.line == 5 and problem in str(error)
    assert parse_seed(upstream().encode(), allowed=allowed).errors == ()


def test_an_endpoint_is_kept_without_a_slash_at_its_end():
    (entity,) = parse_seed(upstream(endpoint="https://x.openai.azure.com/").encode()).entities
    assert entity.values["endpoint"] == "https://x.openai.azure.com"


def test_money_is_read_as_it_stands_in_the_file_quoted_or_not():
    (one,) = parse_seed(price(input_per_million="2.50", output_per_million='"0.000000001"').encode()).entities
    assert one.values["input_per_million"] == "2.5"
    assert one.values["output_per_million"] == "0.000000001"


def test_an_identity_is_taken_as_it_is_given():
    given = {
        "client_id": "7f1c2b6e-3a44-4f0c-9b1d-2a5c8e9f0a11",
        "audience": "https://cognitiveservices.azure.us/.default",
    }
    for some in ({}, given, {"audience": "api://contoso-llm/.default"}):
        auth = "{managed_identity: true" + "".join(f', {key}: "{value}"' for key, value in some.items()) + "}"
        seed = parse_seed(upstream(provider="openai_compatible", auth=auth).encode())
        assert seed.errors == ()
        assert seed.entities[0].values["auth"] == {"managed_identity": True, **some}


def test_a_reference_to_key_vault_is_taken_as_any_other():
    seed = parse_seed(upstream(auth='{secret_ref: "kv://contoso-kv/key"}').encode())
    assert (seed.errors, seed.warnings) == ((), ())


def test_the_reference_in_the_docs_names_every_key():
    text = (Path(__file__).parents[3] / "docs" / "seed-file.md").read_text()
    sections = {part.split("\n", 1)[0].strip(): part for part in text.split("\n## ")[1:]}
    for section, keys in KEYS.items():
        documented = {line.split("`")[1] for line in sections[section].splitlines() if line.startswith("| `")}
        assert documented == set(keys), section


def test_the_example_in_the_docs_is_right():
    text = (Path(__file__).parents[3] / "docs" / "seed-file.md").read_text()
    seed = parse_seed(text.split("```yaml\n")[1].split("```")[0].encode())
    assert seed.errors == () and seed.warnings == ()
    assert all((each.kind, each.name) in seed.declared for each in seed.references)


def test_the_settings_of_upstreams_targets_and_routes_are_kept_where_they_are_set():
    text = """
upstreams:
  - name: a
    provider: openai
    endpoint: https://api.openai.com
    auth: {none: true}
    timeouts: {connect: 2, answer: 0.5}
    max_connections: 10
    home: true
    unknown_objects: forward
routes:
  - model: m
    targets: [{upstream: a, deployment: d, spill_at: 90, max_in_flight: 5}]
    aliases: [m-latest]
    defaults: {temperature: 0.2}
    overrides: {service_tier: default}
    answer_model: requested
    affinity: prompt_cache
    max_attempts: 2
"""
    seed = parse_seed(text.encode())
    assert seed.errors == ()
    named = {(entity.kind, entity.path): entity.values for entity in seed.entities}
    assert named["upstream", "a"]["settings"] == {
        "timeouts": {"connect": 2.0, "answer": 0.5},
        "max_connections": 10,
        "home": True,
        "unknown_objects": "forward",
    }
    assert named["route", "m"]["targets"][0]["settings"] == {"spill_at": 90, "max_in_flight": 5}
    assert named["route", "m"]["settings"] == {
        "aliases": ["m-latest"],
        "defaults": {"temperature": 0.2},
        "overrides": {"service_tier": "default"},
        "answer_model": "requested",
        "affinity": "prompt_cache",
        "max_attempts": 2,
    }


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("timeouts: {answer: 0}", "answer must be seconds"),
        ("timeouts: {first: 1}", "unknown key 'first'"),
        ("unknown_objects: maybe", "unknown_objects must be"),
        ("max_connections: 0", "max_connections"),
    ],
)
def test_a_wrong_setting_of_an_upstream_is_named(setting: str, sentence: str):
    errors = parse_seed((UPSTREAM + f"    {setting}\n").encode()).errors
    assert len(errors) == 1 and sentence in str(errors[0])


def test_an_override_of_what_the_gateway_meters_is_refused():
    errors = parse_seed((UPSTREAM + ROUTE + "    overrides: {stream: true}\n").encode()).errors
    assert len(errors) == 1 and "overrides cannot set 'stream'" in str(errors[0])
