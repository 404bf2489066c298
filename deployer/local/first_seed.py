"""What a tenant is seeded with when nobody says otherwise: a simulated Azure OpenAI resource, and the real ones at hand."""

from collections.abc import Mapping

SIMULATED = (
    "gpt-4o",
    "gpt-4o-mini",
    "o3-mini",
    "text-embedding-3-small",
    "gpt-3.5-turbo-instruct",
    "gpt-image-1",
    "dall-e-3",
    "gpt-4o-mini-tts",
    "tts-1",
    "gpt-4o-transcribe",
    "whisper-1",
    "omni-moderation-latest",
    "gpt-realtime",
    "sora-2",
)
REAL = ("gpt-4o", "gpt-4o-mini", "o3-mini", "text-embedding-3-small")

# Published list prices in USD, as the seed file says them; since when.
_PRICES: Mapping[str, tuple[Mapping[str, str], str]] = {
    "gpt-4o": (
        {"input_per_million": "2.50", "cached_input_per_million": "1.25", "output_per_million": "10.00"},
        "2024-10-01",
    ),
    "gpt-4o-mini": (
        {"input_per_million": "0.15", "cached_input_per_million": "0.075", "output_per_million": "0.60"},
        "2024-10-01",
    ),
    "o3-mini": (
        {"input_per_million": "1.10", "cached_input_per_million": "0.55", "output_per_million": "4.40"},
        "2025-01-31",
    ),
    "text-embedding-3-small": ({"input_per_million": "0.02", "output_per_million": "0"}, "2024-01-25"),
    "gpt-3.5-turbo-instruct": ({"input_per_million": "1.50", "output_per_million": "2.00"}, "2023-09-18"),
    "gpt-image-1": (
        {
            "input_per_million": "5.00",
            "cached_input_per_million": "1.25",
            "output_per_million": "40.00",
            "image_input_per_million": "10.00",
            "cached_image_input_per_million": "2.50",
        },
        "2025-04-23",
    ),
    "dall-e-3": ({"images": "0.04"}, "2023-11-06"),
    # Of speech that is not streamed no answer says the tokens: then its text is billed, at what its sound costs about.
    "gpt-4o-mini-tts": (
        {"input_per_million": "0.60", "output_per_million": "12.00", "characters_per_million": "15.00"},
        "2025-03-20",
    ),
    "tts-1": ({"characters_per_million": "15.00"}, "2023-11-06"),
    "gpt-4o-transcribe": (
        {"input_per_million": "2.50", "audio_input_per_million": "6.00", "output_per_million": "10.00"},
        "2025-03-20",
    ),
    # Of a translation nobody says how long it was: a minute's price.
    "whisper-1": ({"audio_per_minute": "0.006", "audio_file": "0.006"}, "2023-03-01"),
    "omni-moderation-latest": ({"input_per_million": "0", "output_per_million": "0"}, "2024-09-26"),
    "gpt-realtime": (
        {
            "input_per_million": "4.00",
            "cached_input_per_million": "0.40",
            "output_per_million": "16.00",
            "audio_input_per_million": "32.00",
            "cached_audio_input_per_million": "0.40",
            "audio_output_per_million": "64.00",
        },
        "2025-08-28",
    ),
    "sora-2": ({"video_per_second": "0.10"}, "2025-10-06"),
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
    amounts, since = _PRICES[model]
    said = ", ".join(f'{name}: "{amount}"' for name, amount in amounts.items())
    return f"  - {{provider: {provider}, model: {model}, {said}, effective_from: {since}}}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
