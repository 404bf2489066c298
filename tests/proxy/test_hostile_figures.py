"""What no ledger record can hold, from callers and from providers: cut to what it can, and never a call that stays open."""

import json

import pytest

from core.identity.entra import Identities
from core.ledger.records import Attempt, decode, encode, encode_settled
from core.secrets.resolver import open_resolver
from core.snapshot import Upstream
from proxy.bodies import JsonBody
from proxy.credentials import Credentials, CredentialUnavailable
from proxy.metering.usage import usage_of_answer
from tests.proxy.ledger.calls import a_call, settled


@pytest.mark.parametrize("asked", [2**31, 10**16, 10**30])
def test_a_cap_beyond_any_models_is_cut_to_what_the_ledger_holds(asked):
    body = JsonBody(json.dumps({"model": "gpt-4o", "max_tokens": asked}).encode())

    assert body.output_cap() == 2**31 - 1
    assert (
        json.loads(body.sent(b'"gpt-4o"', "max_tokens").content)["max_tokens"] == asked
    )  # the provider refuses it, or does not


@pytest.mark.parametrize("field", ["prompt_tokens", "completion_tokens"])
@pytest.mark.parametrize("figure", [2**31, 2**63, 10**30, -1])
def test_a_usage_that_cannot_be_true_is_not_taken_for_reported(field, figure):
    usage = {"prompt_tokens": 3, "completion_tokens": 4, field: figure}

    assert usage_of_answer(json.dumps({"usage": usage}).encode()) is None


def test_a_settlement_is_written_down_whatever_an_upstream_put_into_it():
    good = settled(a_call(bytes(16)))
    attempt = Attempt("aoai", "gpt-4o", 10**30, "\ud800", "r\ud800", 1.0)
    fields = {name: getattr(good, name) for name in good.__struct_fields__}
    hostile = type(good)(
        **fields
        | {"error_code": "\ud800x", "input_tokens": 10**30, "attempts": [attempt], "units": (("\ud800", 10**30),)}
    )

    row = decode(encode_settled(hostile))

    assert (row.call, row.error_code, row.input_tokens) == (good.call, "?x", 2**63 - 1)
    assert row.attempts == [Attempt("aoai", "gpt-4o", 2**63 - 1, "?", "r?", 1.0)]
    assert row.units == (("?", 2**63 - 1),)
    assert encode_settled(good) == encode(good)


def upstream(reference: str) -> Upstream:
    return Upstream("u1", "aoai", "azure_openai", "https://aoai.example", None, reference, True)


@pytest.mark.parametrize("secret", ["s3cret\n", " s3cret\r\n"])
async def test_a_line_break_around_an_upstreams_secret_is_not_sent(secret):
    credentials = Credentials(open_resolver({"SECRET": secret}, ttl=60.0), Identities("managed_identity"))

    assert await credentials.obtain(upstream("env:SECRET")) == ((b"api-key", b"s3cret"),)
    assert b"s3cret" in credentials.spellings(upstream("env:SECRET"))


@pytest.mark.parametrize("secret", ["two\nlines", "two\r\nx-header: lines", "n\0l", "ключ", " \n"])
async def test_a_secret_that_is_no_header_takes_its_upstream_out_and_is_not_named(secret):
    credentials = Credentials(open_resolver({"SECRET": secret}, ttl=60.0), Identities("managed_identity"))

    with pytest.raises(CredentialUnavailable) as refused:
        await credentials.obtain(upstream("env:SECRET"))
    assert secret.strip() == "" or secret not in str(refused.value)
