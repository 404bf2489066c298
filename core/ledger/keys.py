"""The names under which Redis holds one client's ledger and counters. One hash tag a client: one function touches one slot."""

from uuid import UUID


class StreamKeys:
    """The keys of one client, as the bytes that go over the wire (docs/decisions/0004-limits.md)."""

    __slots__ = (
        "buckets",
        "client",
        "leases",
        "log",
        "objects",
        "reserved",
        "sequences",
        "spent",
        "state",
        "watermarks",
    )

    def __init__(self, client: UUID) -> None:
        self.client = client
        tag = f"aduana:{{{client}}}"
        self.log = f"{tag}:ledger".encode()  # stream: i incarnation, s first seq, n count, b records (an array)
        self.sequences = f"{tag}:sequences".encode()  # hash: incarnation → the last seq that is in the stream
        self.watermarks = f"{tag}:watermarks".encode()  # hash: incarnation → the last seq that Postgres has
        self.buckets = f"{tag}:buckets".encode()  # hash: field → when it is full again
        self.spent = f"{tag}:spent".encode()  # hash: field → what settled calls used
        self.reserved = f"{tag}:reserved".encode()  # hash: field → what live calls hold
        self.leases = f"{tag}:leases".encode()  # hash: event id → what is to be given back
        self.state = f"{tag}:state".encode()  # hash: the gate, and which incarnations were heard
        self.objects = f"{tag}:object:".encode()  # and an object's id: whose it is (proxy.ledger.ownership)
