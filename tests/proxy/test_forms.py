"""Forms on their way through: whatever order their parts come in, and however they are cut."""

from pathlib import Path

import pytest

from proxy.errors import Refusal
from proxy.forms import FormBody, open_form
from proxy.intake import CallerGone

BOUNDARY = b"----boundary.1"
FIELD = b'content-disposition: form-data; name="%b"'
FILE = b'content-disposition: form-data; name="file"; filename="a.txt"\r\ncontent-type: text/plain'


def form(*parts: tuple[bytes, bytes]) -> bytes:
    return (
        b"".join(b"--%b\r\n%b\r\n\r\n%b\r\n" % (BOUNDARY, head, value) for head, value in parts)
        + b"--%b--\r\n" % BOUNDARY
    )


def opened(data: bytes, directory: Path, *, piece: int = 10_000, limit: int = 1 << 20, gone: bool = False) -> FormBody:
    pieces = [data[at : at + piece] for at in range(0, len(data), piece)] or [b""]

    async def receive():
        if gone and len(pieces) == 1:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    headers = [(b"content-type", b'multipart/form-data; boundary="%b"' % BOUNDARY)]
    return open_form(headers, receive, limit, directory)


def boundary_of(lines: bytes) -> bytes:
    return lines.strip().partition(b"boundary=")[2]


async def content(body: FormBody, model: bytes = b"") -> bytes:
    sent = body.sent(model, "")
    assert not isinstance(sent.content, bytes)
    data = b"".join([piece async for piece in sent.content])
    assert sent.length in (None, len(data))
    assert BOUNDARY not in data
    return data.replace(boundary_of(sent.lines), BOUNDARY)


ORDERS = [
    [(FIELD % b"purpose", b"assistants"), (FILE, b"line one\r\n--not the boundary\r\n")],
    [(FILE, b"x" * 70_000), (FIELD % b"purpose", b"assistants")],
    [(FIELD % b"purpose", b"assistants"), (FILE, b"")],
    [(FIELD % b"purpose", b"assistants"), (FILE, b"one"), (FILE, b"two" * 9000)],
    [(FIELD % b"purpose", b"assistants"), (FIELD % b"expires_after[seconds]", b"3600"), (FILE, b"abc")],
]


@pytest.mark.parametrize("piece", [1, 7, 100, 65536])
@pytest.mark.parametrize("parts", ORDERS)
async def test_a_form_that_names_no_model_comes_out_as_it_went_in(tmp_path, parts, piece):
    data = form(*parts)
    body = opened(data, tmp_path, piece=piece)
    await body.keep_until_file("purpose")
    assert body.details() == {"purpose": "assistants"}
    assert await content(body) == data


@pytest.mark.parametrize("piece", [1, 13, 65536])
@pytest.mark.parametrize("first", [True, False])
async def test_the_model_is_named_as_the_upstream_knows_it_wherever_it_stands(tmp_path, piece, first):
    parts = [(FIELD % b"model", b"whisper"), (FILE, b"\x00\xff" * 5000)]
    body = opened(form(*(parts if first else parts[::-1])), tmp_path, piece=piece)
    await body.keep()
    assert body.model() == "whisper" and body.resendable
    expected = [(FIELD % b"model", b"my-deployment"), parts[1]]
    for _ in range(2):  # a second target gets the same
        assert await content(body, b'"my-deployment"') == form(*(expected if first else expected[::-1]))


async def test_a_model_that_only_the_path_names_is_added_for_the_upstream(tmp_path):
    parts = [(FILE, b"sound"), (FIELD % b"language", b"en")]
    body = opened(form(*parts), tmp_path)
    await body.keep()
    assert await content(body, b'"whisper-1"') == form(*parts, (FIELD % b"model", b"whisper-1"))


async def test_what_has_begun_to_stream_cannot_be_sent_again(tmp_path):
    body = opened(form((FIELD % b"purpose", b"x"), (FILE, b"y" * 100_000)), tmp_path)
    await body.keep_until_file("purpose")
    assert body.resendable
    pieces = aiter(body.sent(b"", "").content)
    await anext(pieces)
    assert not body.resendable
    async for _ in pieces:
        pass
    assert body.complete and not body.resendable  # what streamed through was not kept


async def test_no_part_hides_in_another_ones_content_or_head(tmp_path):
    hidden = b'--%b\nContent-Disposition: form-data; name="model"\n\nforbidden\n' % BOUNDARY
    body = opened(form((FIELD % b"purpose", b"x"), (FILE, b"text\n" + hidden)), tmp_path)
    await body.keep()
    assert b"boundary.1" not in body.sent(b"", "").lines
    data = b"".join([piece async for piece in body.sent(b"", "").content])
    assert data.count(boundary_of(body.sent(b"", "").lines)) == 3
    twice = b"Content-Disposition: form-data; name*=utf-8''model; filename*=x; name=\"prompt\""
    body = opened(form((twice, b"text")), tmp_path)
    await body.keep()
    assert b'form-data; name="prompt"\r\n' in await content(body)


@pytest.mark.parametrize("name", [b"model", b"stream", b"purpose", b"input_reference[file_id]", b"video[id]"])
@pytest.mark.parametrize("filename", [b"", b"x"])
async def test_a_field_that_decides_or_names_an_object_is_no_file(tmp_path, name, filename):
    body = opened(form((FIELD % name + b'; filename="%b"' % filename, b"v")), tmp_path)
    with pytest.raises(Refusal, match="is a file"):
        await body.keep()


@pytest.mark.parametrize("name", [b"mod\\el", b"mo\tdel", b"model\x00"])
async def test_a_name_that_others_may_read_otherwise_is_refused(tmp_path, name):
    with pytest.raises(Refusal):
        await opened(form((FIELD % name, b"v")), tmp_path).keep()


async def test_the_fields_of_a_form_have_a_bound_together(tmp_path):
    parts = [(FIELD % b"x%d" % number, b"v" * 250_000) for number in range(5)]
    with pytest.raises(Refusal, match="together"):
        await opened(form(*parts), tmp_path, limit=1 << 24).keep()


@pytest.mark.parametrize("name", [b"file_id", b"input_reference[file_id]", b"model", b"stream"])
async def test_what_decides_about_a_call_may_not_come_behind_its_file(tmp_path, name):
    body = opened(form((FILE, b"y" * 100_000), (FIELD % name, b"file-1")), tmp_path)
    await body.keep_until_file()
    with pytest.raises(Refusal, match="stands behind the file"):
        await content(body)


async def test_the_objects_that_fields_name_are_found(tmp_path):
    names = [b"input_reference[file_id]", b"file_ids[]", b"video[id]", b"title"]
    body = opened(form(*((FIELD % name, b"id-%d" % at) for at, name in enumerate(names))), tmp_path)
    await body.keep()
    assert set(body.references().own) == {"id-0", "id-1", "id-2"}


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "ends before"),
        (b"garbage", "cannot be read"),
        (form((FILE, b"x"))[:-10], "ends before"),
        (form((b"x-what: 1", b"x")), "has no name"),
        (form((b'content-disposition: attachment; name="a"', b"x")), "has no name"),
        (form((FIELD % b"a", b"x" * 300_000)), "longer than"),
        (form(*[(FIELD % b"a", b"x")] * 300), "more than"),
    ],
)
async def test_what_is_no_form_is_refused_and_says_why(tmp_path, data, why):
    with pytest.raises(Refusal, match=why) as refused:
        await opened(data, tmp_path).keep()
    assert refused.value.status == 400


async def test_a_field_that_stands_twice_is_refused(tmp_path):
    body = opened(form((FIELD % b"model", b"a"), (FIELD % b"model", b"b")), tmp_path)
    await body.keep()
    with pytest.raises(Refusal, match="stands twice"):
        body.model()


async def test_a_form_over_the_limit_is_refused_while_it_comes(tmp_path):
    with pytest.raises(Refusal) as refused:
        await opened(form((FILE, b"x" * 5000)), tmp_path, piece=100, limit=1000).keep()
    assert refused.value.status == 413


async def test_a_caller_who_hangs_up_in_its_form_is_nobody_to_answer(tmp_path):
    with pytest.raises(CallerGone):
        await opened(form((FILE, b"x" * 5000)), tmp_path, piece=1000, gone=True).keep()


@pytest.mark.parametrize(
    "content_type", [b"", b"application/json", b"multipart/form-data", b"multipart/form-data; boundary=" + b"b" * 71]
)
def test_what_is_announced_as_no_form_is_415(tmp_path, content_type):
    headers = [(b"content-type", content_type)]
    with pytest.raises(Refusal) as refused:
        open_form(headers, None, 1000, tmp_path)
    assert refused.value.status == 415


@pytest.mark.parametrize(("said", "streamed"), [(b"true", True), (b"1", True), (b"false", False), (b"", False)])
async def test_a_form_asks_for_a_stream_in_the_words_of_sdks(tmp_path, said, streamed):
    body = opened(form((FIELD % b"stream", said)), tmp_path)
    await body.keep()
    assert body.streamed() is streamed


@pytest.mark.parametrize("said", [b"yes", b"on", b"TRUE", b"t", b" true"])
async def test_what_only_some_servers_take_for_a_stream_is_refused(tmp_path, said):
    body = opened(form((FIELD % b"stream", said)), tmp_path)
    await body.keep()
    with pytest.raises(Refusal, match="stream"):
        body.streamed()
