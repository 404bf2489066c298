"""`aduana simulate`: the simulated model provider on its own."""

from pathlib import Path

import typer

_HELP = """Run the simulated upstream on its own: OpenAI's and Azure OpenAI's endpoints, without a model behind them.

It answers deterministic text with true token counts and rate-limit headers, streams, and fails on demand: by the
request header x-simulate or by --config (tests/simulators/README.md).

Example:

    aduana simulate --port 8090
"""

_Config = typer.Option(
    None,
    "--config",
    metavar="FILE",
    help="Models, deployments, limits and faults (YAML or JSON).",
    show_default=False,
)


def register(app: typer.Typer) -> None:
    """Add `simulate`."""
    app.command("simulate", help=_HELP)(_simulate)


def _simulate(
    port: int = typer.Option(8090, min=0, max=65535, help="The port; 0 takes any that is free."),
    host: str = typer.Option("127.0.0.1", help="The address to listen on."),
    config: Path | None = _Config,
) -> int:
    from tests.simulators.model_provider.__main__ import main

    arguments = ["--host", host, "--port", str(port)]
    if config is not None:
        arguments += ["--config", str(config)]
    return main(arguments)
