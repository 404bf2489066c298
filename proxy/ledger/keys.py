"""The names under which Redis holds one client's ledger. One hash tag a client: one function touches one slot."""

from uuid import UUID


class StreamKeys:
    """The keys of one client's stream, as the bytes that go over the wire."""

    __slots__ = ("log", "sequences", "watermarks")

    def __init__(self, client: UUID) -> None:
        tag = f"aduana:{{{client}}}"
        self.log = f"{tag}:ledger".encode()  # stream: i incarnation, s first seq, n count, b records (an array)
        self.sequences = f"{tag}:sequences".encode()  # hash: incarnation → the last seq that is in the stream
        self.watermarks = f"{tag}:watermarks".encode()  # hash: incarnation → the last seq that Postgres has
