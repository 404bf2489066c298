"""`python -m tests.simulators.model_provider`: run the simulator."""

import argparse
import sys
from pathlib import Path

from tests.simulators.model_provider.configuration import Configuration, ConfigurationError, read, with_keys

_EPILOG = """\
surfaces   /v1/... (chat, responses, files, batches, images, audio, realtime, assistants, ...: all of OpenAI's)
           /openai/deployments/NAME/{chat/completions,completions,embeddings,images/...,audio/...}?api-version=...
           /openai/...?api-version=...   /openai/v1/...
faults     of one request, by its header x-simulate: latency=0.2; status=429; retry-after=3
           latency=S status=N retry-after=S error-code=C error-type=T error-message=M
           reset hang garbage garbage-stream huge-header[=BYTES] body-bytes=N no-usage
           chunk-delay=S (slow-chunks=S) split-bytes=N cut-after=N hang-after=N fail-after=N
           ready-after=S ends-as=STATE (of what goes on in the background)
           of any request, by rules: PUT /_simulator/faults
           {"seed": 1, "rules": [{"path": "/v1/*", "first": 2, "faults": {"status": 500}}]}
prompts    "echo TEXT", "write N tokens", "call TOOL"
tests      /_simulator/{requests,usage} (GET, DELETE), /_simulator/faults (GET, PUT, DELETE)
           /_simulator/{bearer_tokens,provisioned} (PUT)
manual     tests/simulators/README.md
"""


def main(arguments: list[str] | None = None) -> int:
    """Run until told to stop; 1 where it cannot start, with why on standard error."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulators.model_provider",
        description="OpenAI and Azure OpenAI, simulated: deterministic text, true token counts, faults on demand.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=8090, help="the port; 0 picks a free one (%(default)s)")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="models, deployments, limits, faults (YAML or JSON)"
    )
    parser.add_argument(
        "--api-key", action="append", default=[], metavar="KEY", help="accept this key, and no other; may be repeated"
    )
    parser.add_argument("--tls-cert", type=Path, metavar="FILE", help="serve HTTPS with this certificate (PEM)")
    parser.add_argument("--tls-key", type=Path, metavar="FILE", help="and its key (PEM)")
    given = parser.parse_args(arguments)
    if (given.tls_cert is None) != (given.tls_key is None):
        parser.error("--tls-cert and --tls-key go together")
    # What takes time to import comes after what can be said without it.
    from tests.simulators.model_provider.provider import Provider
    from tests.simulators.model_provider.server import listen, serve

    try:
        configuration = with_keys(read(given.config) if given.config else Configuration(), given.api_key)
        listening = listen(given.host, given.port)
    except ConfigurationError as error:
        print(f"The simulator cannot start: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(
            f"The simulator cannot listen on {given.host}:{given.port}: {error.strerror}. "
            "Choose another port with --port, or 0 for any.",
            file=sys.stderr,
        )
        return 1
    serve(Provider(configuration), listening, given.tls_cert, given.tls_key)
    return 0


if __name__ == "__main__":
    sys.exit(main())
