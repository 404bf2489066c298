"""No subject at all: the loader asks the fake upstream itself. What the others add is counted from here."""

from bench.subjects import Ledger, Site

NAME = "direct"


class Direct:
    """The fake upstream, on its own core."""

    name = NAME
    key = "adu_bench"
    version = ""
    ledger: Ledger | None = None

    def __init__(self) -> None:
        self.port = self.stream_port = 0
        self.pids: list[int] = []
        self.backing_pids: list[int] = []

    def start(self, site: Site) -> None:
        self.port = self.stream_port = site.upstream_port

    def stop(self) -> None:
        return
