"""`aduana`, the program: puts the commands together and turns every failure into a sentence and an exit code.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 a check said no. A stack trace is printed only where
`ADUANA_DEBUG=1` asks.
"""

import os
import sys
from collections.abc import Sequence
from importlib import import_module

import typer
from typer.exceptions import Abort, TyperException

from core.termination import end_when_told
from deployer.errors import FAILED, USAGE, CommandError, print_error

_COMMANDS = (
    "init",
    "tenants",
    "local",
    "migrate",
    "seed",
    "keys",
    "identities",
    "usage",
    "limits",
    "upstreams",
    "audit",
    "budgets",
    "secrets",
    "preflight",
    "state",
    "plan",
    "apply",
    "destroy",
    "infrastructure",
    "status",
    "simulate",
    "bootstrap",
    "verify",
    "upgrade",
    "fleet",
    "bundle",
    "backup",
)


def build() -> typer.Typer:
    """The whole program."""
    app = typer.Typer(
        name="aduana",
        help="The LLM gateway a company owns: run it here, configure it, and see what was used.",
        epilog="Exit codes: 0 done, 1 failed, 2 wrong usage, 3 a check said no.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback()
    def _root(
        version: bool = typer.Option(False, "--version", help="Print the version.", is_eager=True, callback=_version),
    ) -> None:
        pass

    for name in _COMMANDS:
        import_module(f"deployer.commands.{name}").register(app)
    return app


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        sys.stdout.write(f"aduana {version('aduana')}\n")
        raise typer.Exit


def run(arguments: Sequence[str]) -> int:
    """Run one command line; its exit code. Prints what went wrong; raises nothing of its own."""
    # Read here, not from the parsed command: a command line that does not parse has to answer a program too.
    as_json = "--json" in arguments
    try:
        outcome = build()(args=list(arguments), prog_name="aduana", standalone_mode=False)
    except CommandError as error:
        if error.__cause__ is not None:
            _trace_if_asked()
        print_error(error, as_json=as_json)
        return error.exit_code
    except TyperException as error:
        if not as_json and type(error).__name__ == "NoArgsIsHelpError":
            sys.stderr.write(error.format_message() + "\n")
            return USAGE
        print_error(_wrong_usage(error), as_json=as_json)
        return error.exit_code
    except Abort:
        print_error(CommandError("stopped", "the input ended", code="aborted"), as_json=as_json)
        return FAILED
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        _trace_if_asked()
        print_error(_unexpected(error), as_json=as_json)
        return FAILED
    return outcome if isinstance(outcome, int) else 0


def main() -> None:
    """The entry point of the `aduana` script."""
    end_when_told()
    sys.exit(run(sys.argv[1:]))


def _wrong_usage(error: TyperException) -> CommandError:
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "aduana"
    return CommandError(
        error.format_message(),
        remedy=f"See `{command} --help`.",
        code="usage" if error.exit_code == USAGE else "failed",
        exit_code=error.exit_code,
    )


def _unexpected(error: Exception) -> CommandError:
    # Only the type: a foreign exception's text may quote a connection string or a statement's values.
    return CommandError(
        f"an unexpected {type(error).__name__} ended the command",
        remedy="Set ADUANA_DEBUG=1 and run it again to see where; that trace may hold names from your configuration.",
        code="internal",
    )


def _trace_if_asked() -> None:
    if os.environ.get("ADUANA_DEBUG") == "1":
        import traceback

        traceback.print_exc()
