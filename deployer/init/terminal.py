"""Questions at a terminal. They are put on stderr, so that stdout is the result alone."""

from rich.console import Console
from rich.text import Text

from deployer.init.questions import Question


class Terminal:
    """An `Asker` of who sits before it. Ctrl-D and Ctrl-C end it, as the program does."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)

    def ask(self, question: Question, default: str | None) -> str:
        """As `Asker.ask`."""
        parts: list[str | tuple[str, str]] = [(question.text, "bold")]
        if question.choices:
            parts.append((f" ({' | '.join(question.choices)})", "dim"))
        if question.many:
            parts.append((" (several: with blanks between; empty: none)", "dim"))
        if default is not None:
            parts.append((f" [{default}]", "cyan"))
        return self._console.input(Text.assemble(*parts, ": ")).strip()

    def complain(self, message: str) -> None:
        """As `Asker.complain`."""
        self._console.print(Text.assemble(("  ", ""), (message, "red")))
