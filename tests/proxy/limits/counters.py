"""Both implementations of the counters behind one face, on a clock of the test's own."""

import itertools
from pathlib import Path
from uuid import UUID, uuid4

import redis as redis_py

import proxy.ledger
from core.ledger.keys import StreamKeys
from core.limits import Family, Rule, Rules, Scope, ScopeKind
from core.limits.fields import families_text
from core.snapshot import Caller, EffectivePolicy
from proxy.ledger.stream import SUPERSEDED
from proxy.limits import Claim, operations
from proxy.limits.memory import MemoryLimiter

LEASE = 60.0  # seconds
CLIENT = UUID(int=7)
KEY = Scope(ScopeKind.KEY, "Abcd1234", "contoso/research/chatbot/prod")
APP = Scope(ScopeKind.APP, UUID(int=9).hex, "contoso/research/chatbot")

_SCRIPT = (Path(proxy.ledger.__file__).parent / "apply.lua").read_text()
_CLOCK = "local clock = redis.call('TIME')"
_TEST_CLOCK = "local clock = redis.call('HMGET', 'clock', 'seconds', 'microseconds')"


def a_caller(*rules: Rule, families: tuple[Family, ...] = (), by_model: dict | None = None) -> Caller:
    return Caller(
        key_id=KEY.id,
        app_id=UUID(int=9).bytes,
        team_id=UUID(int=8).bytes,
        client_id=CLIENT.bytes,
        name=KEY.name,
        policy=EffectivePolicy(),
        rules=Rules(tuple(rules), by_model, tuple(sorted(families))),
    )


class RedisCounters:
    """apply.lua as proxies call it, each with an incarnation of its own."""

    def __init__(self, url: str, families: tuple[Family, ...] = ()) -> None:
        assert _CLOCK in _SCRIPT
        self.redis = redis_py.Redis.from_url(url)
        self.redis.flushall()
        self._script = self.redis.register_script(_SCRIPT.replace(_CLOCK, _TEST_CLOCK))
        self.keys = StreamKeys(CLIENT)
        self.families, self.version = families_text(families), 1
        self.now = 0
        self._numbers: dict[str, itertools.count] = {}
        self.sent: dict[str, list[tuple[int, bytes]]] = {}
        if families:
            self.redis.hset(self.keys.state, mapping={"families": self.families, "version": 1})

    def close(self) -> None:
        self.redis.close()

    def at(self, now: int) -> None:
        self.now = now
        self.redis.hset("clock", mapping={"seconds": now // 1_000_000, "microseconds": now % 1_000_000})

    def send(self, incarnation: str, first: int, batch: list[bytes], *, holds: tuple = (), reset: bool = False) -> list:
        keys = self.keys
        arguments = [part for each in batch for part in (each, SUPERSEDED)] + [part for h in holds for part in (h, b"")]
        return self._script(
            keys=[
                *(keys.log, keys.sequences, keys.watermarks, keys.buckets),
                *(keys.spent, keys.reserved, keys.leases, keys.state),
            ],
            args=[
                *(incarnation, first, len(batch), int(reset)),
                *(self.families, self.version, round(LEASE * 1e6), *arguments),
            ],
        )

    def do(self, incarnation: str, operation: bytes) -> list:
        incarnation = incarnation.ljust(36, "-")  # as long as a UUID's text
        number = next(self._numbers.setdefault(incarnation, itertools.count(1)))
        self.sent.setdefault(incarnation, []).append((number, operation))
        return self.send(incarnation, number, [operation])

    def admit(self, claim: Claim, incarnation: str) -> list[int]:
        return self.do(incarnation, operations.admit(claim))[4][0]

    def settle(self, claim: Claim, tokens: int, cost: int, incarnation: str) -> None:
        self.do(incarnation, operations.settle(claim.id, tokens, cost, claim.plan.counters))

    def void(self, claim: Claim, incarnation: str) -> None:
        self.do(incarnation, operations.void(claim.id))

    def beat(self, incarnation: str) -> None:
        self.do(incarnation, operations.NONE)

    def spent(self) -> dict[str, int]:
        return _amounts(self.redis.hgetall(self.keys.spent))

    def reserved(self) -> dict[str, int]:
        return _amounts(self.redis.hgetall(self.keys.reserved))


class MemoryCounters:
    """The counters of a process without Redis."""

    def __init__(self) -> None:
        self.limiter = MemoryLimiter(LEASE)
        self.now = 0

    def close(self) -> None:
        pass

    def at(self, now: int) -> None:
        self.now = now

    def admit(self, claim: Claim, incarnation: str) -> list[int]:
        return self.limiter.admit(operations.admit(claim), incarnation, self.now)

    def settle(self, claim: Claim, tokens: int, cost: int, incarnation: str) -> None:
        self.limiter.settle(operations.settle(claim.id, tokens, cost, claim.plan.counters), self.now)

    def void(self, claim: Claim, incarnation: str) -> None:
        self.limiter.void(operations.void(claim.id), self.now)

    def beat(self, incarnation: str) -> None:
        self.limiter.hear(incarnation, self.now)

    def spent(self) -> dict[str, int]:
        return {field: amount for field, amount in self.limiter.spent.items() if amount}

    def reserved(self) -> dict[str, int]:
        return dict(self.limiter.reserved)


def an_incarnation() -> str:
    return str(uuid4())


def _amounts(found: dict[bytes, bytes]) -> dict[str, int]:
    return {field.decode(): int(amount) for field, amount in found.items() if int(amount)}
