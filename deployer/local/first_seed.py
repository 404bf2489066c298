"""What a tenant is seeded with when nobody says otherwise: a simulated Azure OpenAI resource, and the real ones at hand."""

from collections.abc import Mapping

SIMULATED = ("gpt-4o", "gpt-4o-mini", "o3-mini", "text-embedding-3-small", "gpt-3.5-turbo-instruct")
REAL = ("gpt-4o", "gpt-4o-mini", "o3-mini", "text-embedding-3-small")

# Published list prices in USD a million tokens: input, cached input, output; since when.
_PRICES: Mapping[str, tuple[str, str | None, str, str]] = {
    "gpt-4o": ("2.50", "1.25", "10.00", "2024-10-01"),
    "gpt-4o-mini": ("0.15", "0.075", "0.60", "2024-10-01"),
    "o3-mini": ("1.10", "0.55", "4.40", "2025-01-31"),
    "text-embedding-3-small": ("0.02", None, "0", "2024-01-25"),
    "gpt-3.5-turbo-instruct": ("1.50", None, "2.00", "2023-09-18"),
}


def built_in_seed(simulator_port: int, environment: Mapping[str, str]) -> str:
    """The seed file's text. Credentials are named (`env:`), never written."""
    azure, openai = _azure(environment), _openai(environment)
    lines = [
        "# What `aduana up` seeded on its own. Change what is served with a file like this and `aduana seed FILE`;",
        "# this copy is only compared with at the next start.",
        "upstreams:",
        "  - name: simulator",
        "    provider: azure_openai",
        f"    endpoint: http://127.0.0.1:{simulator_port}",
        "    auth: {none: true}",
    ]
    if azure:
        lines += [
            "  - name: azure",
            "    provider: azure_openai",
            f"    endpoint: {_quoted(environment['AZURE_OPENAI_ENDPOINT'].strip().rstrip('/'))}",
            *([f"    api_version: {_quoted(version)}"] if (version := environment.get("OPENAI_API_VERSION")) else []),
            '    auth: {secret_ref: "env:AZURE_OPENAI_API_KEY"}',
        ]
    if openai:
        endpoint = environment.get("OPENAI_BASE_URL", "").strip() or "https://api.openai.com/v1"
        lines += [
            "  - name: openai",
            "    provider: openai",
            f"    endpoint: {_quoted(endpoint.rstrip('/').removesuffix('/v1'))}",
            '    auth: {secret_ref: "env:OPENAI_API_KEY"}',
        ]
    lines.append("routes:")
    lines += [_route(model, "simulator", model) for model in SIMULATED]
    lines += [_route(f"azure/{model}", "azure", model) for model in REAL if azure]
    lines += [_route(f"openai/{model}", "openai", model) for model in REAL if openai]
    lines += [
        "clients:",
        "  - name: local",
        "    teams:",
        "      - name: default",
        "        apps:",
        "          - name: first-app",
        "            keys:",
        "              - {name: first}",
        "prices:",
    ]
    lines += [_price("azure_openai", model) for model in SIMULATED]
    lines += [_price("openai", model) for model in REAL if openai]
    return "\n".join(lines) + "\n"


def real_models(environment: Mapping[str, str]) -> tuple[str, ...]:
    """What the seed serves of the real providers whose credentials are in the environment."""
    found = (("azure", _azure(environment)), ("openai", _openai(environment)))
    return tuple(f"{provider}/{model}" for provider, there in found if there for model in REAL)


def _azure(environment: Mapping[str, str]) -> bool:
    return bool(environment.get("AZURE_OPENAI_ENDPOINT") and environment.get("AZURE_OPENAI_API_KEY"))


def _openai(environment: Mapping[str, str]) -> bool:
    return bool(environment.get("OPENAI_API_KEY"))


def _route(model: str, upstream: str, deployment: str) -> str:
    return f"  - model: {model}\n    targets: [{{upstream: {upstream}, deployment: {deployment}}}]"


def _price(provider: str, model: str) -> str:
    input, cached, output, since = _PRICES[model]
    cached_part = f'cached_input_per_million: "{cached}", ' if cached is not None else ""
    return (
        f'  - {{provider: {provider}, model: {model}, input_per_million: "{input}", {cached_part}'
        f'output_per_million: "{output}", effective_from: {since}}}'
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
