import pytest

from proxy.upstream import Origin


@pytest.mark.parametrize(
    ("url", "scheme", "host", "port", "base", "host_header"),
    [
        ("https://contoso.openai.azure.com", "https", "contoso.openai.azure.com", 443, "", b"contoso.openai.azure.com"),
        ("HTTPS://Contoso.example:443/", "https", "contoso.example", 443, "", b"contoso.example"),
        ("http://127.0.0.1:8000/base/", "http", "127.0.0.1", 8000, "/base", b"127.0.0.1:8000"),
        ("http://[::1]:81/a/b%20c", "http", "::1", 81, "/a/b%20c", b"[::1]:81"),
        ("http://[0:0::1]", "http", "::1", 80, "", b"[::1]"),
        ("http://model_server:80", "http", "model_server", 80, "", b"model_server"),
    ],
)
def test_an_address_is_parsed(url: str, scheme: str, host: str, port: int, base: str, host_header: bytes) -> None:
    origin = Origin.parse(url)
    assert (origin.scheme, origin.host, origin.port, origin.base) == (scheme, host, port, base)
    assert origin.host_header == host_header
    assert origin == Origin.parse(str(origin))
    assert hash(origin) == hash(Origin.parse(str(origin)))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "contoso.example",
        "ftp://contoso.example",
        "https:/contoso.example",
        "https://",
        "https://:443",
        "https://user:hunter2@contoso.example",
        "https://user@contoso.example",
        "https://contoso.example?a=b",
        "https://contoso.example/#x",
        "https://contoso.example:0",
        "https://contoso.example:65536",
        "https://contoso.example:",
        "https://contoso.example:80:80",
        "https://contoso.example\r\nx: y",
        "https://contoso.example/a b",
        "https://contoso.example/\x00",
        "https://contoso.example\n",
        "https://contoso..example",
        "https://bücher.example",
        "https://contoso.example/a/../b",
        "https://contoso.example//b",
        "https://contoso.example/%zz",
        "https://[::1",
        "https://[1.2.3.4]",
        "https://[::1%25eth0]",
        "https://contoso.example\\@evil.example",
    ],
)
def test_an_odd_address_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ValueError) as refusal:
        Origin.parse(url)
    assert "hunter2" not in str(refusal.value)
