import asyncio
import threading
import time

import pytest

from core.identity import Token, TokenUnavailable
from core.identity.tokens import KeptTokens

SCOPE = "https://cognitiveservices.azure.com/.default"


class Issuer:
    """Issues token-1, token-2, …; `held` keeps it from answering, `away` makes it fail."""

    def __init__(self, life: float = 3600.0, refresh_in: float | None = None) -> None:
        self.life, self.refresh_in = life, refresh_in
        self.issued = 0
        self.asked = 0
        self.away = False
        self.open = threading.Event()
        self.open.set()

    def issue(self, scope: str) -> Token:
        self.asked += 1
        self.open.wait(10)
        if self.away:
            raise TokenUnavailable(f"no token for {scope}: away")
        self.issued += 1
        now = time.time()
        return Token(f"token-{self.issued}", now + self.life, now + (self.refresh_in or self.life / 2))


async def eventually(condition) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def test_nothing_is_ready_before_it_was_obtained_and_then_it_is_without_asking_again():
    issuer = Issuer()
    tokens = KeptTokens(issuer)
    assert tokens.ready(SCOPE) is None
    assert await tokens.obtain(SCOPE) == "token-1"
    assert tokens.ready(SCOPE) == await tokens.obtain(SCOPE) == "token-1"
    assert issuer.asked == 1


async def test_scopes_have_tokens_of_their_own():
    tokens = KeptTokens(Issuer())
    assert {await tokens.obtain("a"), await tokens.obtain("b")} == {"token-1", "token-2"}


async def test_any_number_of_callers_make_one_request():
    issuer = Issuer()
    issuer.open.clear()
    tokens = KeptTokens(issuer)
    callers = [asyncio.create_task(tokens.obtain(SCOPE)) for _ in range(50)]
    await eventually(lambda: issuer.asked)
    callers[0].cancel()  # who hangs up takes nothing from the others
    issuer.open.set()
    assert set(await asyncio.gather(*callers[1:])) == {"token-1"}
    assert issuer.asked == 1


async def test_a_token_is_renewed_before_it_expires_and_nobody_waits_for_it():
    issuer = Issuer(life=60.0, refresh_in=0.1)
    tokens = KeptTokens(issuer)
    await tokens.obtain(SCOPE)
    issuer.refresh_in = 30.0
    tokens._schedule(SCOPE, 0.0)  # as if its time had come
    issuer.open.clear()
    await eventually(lambda: issuer.asked == 2)
    assert tokens.ready(SCOPE) == "token-1"
    issuer.open.set()
    await eventually(lambda: tokens.ready(SCOPE) == "token-2")


async def test_short_lived_tokens_are_renewed_by_themselves():
    issuer = Issuer(life=2.0, refresh_in=0.2)
    tokens = KeptTokens(issuer)
    await tokens.obtain(SCOPE)
    await eventually(lambda: tokens.ready(SCOPE) == "token-3")
    tokens.close()


async def test_while_the_endpoint_is_away_a_token_is_used_to_its_end_and_asked_for_again(caplog):
    issuer = Issuer(life=1.0, refresh_in=0.1)
    tokens = KeptTokens(issuer, chance=lambda: 0.0)
    await tokens.obtain(SCOPE)
    issuer.away = True
    await eventually(lambda: issuer.asked > 1)
    assert tokens.ready(SCOPE) == "token-1"
    await eventually(lambda: tokens.ready(SCOPE) is None)
    with pytest.raises(TokenUnavailable, match="away"):
        await tokens.obtain(SCOPE)
    issuer.away, issuer.life = False, 3600.0
    await eventually(lambda: tokens.ready(SCOPE) == "token-2")
    said = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert len(said) == 1, "said once, not at each try"
    assert "token-1" not in caplog.text
    tokens.close()


async def test_a_refused_token_is_renewed_once_for_all_who_were_refused():
    issuer = Issuer()
    tokens = KeptTokens(issuer)
    refused = await tokens.obtain(SCOPE)
    renewed = await asyncio.gather(*(tokens.renew(SCOPE, refused) for _ in range(50)))
    assert set(renewed) == {"token-2"}
    assert await tokens.renew(SCOPE, refused) == "token-2", "who comes late is given the one that is there"
    assert issuer.asked == 2


async def test_where_every_token_is_refused_the_endpoint_is_not_asked_at_every_call():
    issuer = Issuer()
    tokens = KeptTokens(issuer)
    token = await tokens.obtain(SCOPE)
    for _ in range(5):
        token = await tokens.renew(SCOPE, token)
    assert (token, issuer.asked) == ("token-2", 2)


async def test_a_renewal_that_fails_leaves_the_token_that_there_is():
    issuer = Issuer()
    tokens = KeptTokens(issuer)
    await tokens.obtain(SCOPE)
    issuer.away = True
    with pytest.raises(TokenUnavailable):
        await tokens.renew(SCOPE)
    assert tokens.ready(SCOPE) == "token-1"
    tokens.close()


async def test_a_caller_waits_for_a_first_token_as_long_as_its_patience_lasts():
    issuer = Issuer()
    issuer.open.clear()
    tokens = KeptTokens(issuer, patience=0.05)
    with pytest.raises(TokenUnavailable, match=r"did not answer within 0\.05 s"):
        await tokens.obtain(SCOPE)
    issuer.open.set()
    await eventually(lambda: tokens.ready(SCOPE) == "token-1")


def test_a_token_does_not_show_itself():
    assert "secret" not in repr(Token("secret", 1.0, 0.5))
