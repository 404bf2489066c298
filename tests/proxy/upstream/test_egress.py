import pytest

from proxy.upstream import ClientOptions, Origin, UpstreamClient
from proxy.upstream.egress import Egress, EgressProxy


def chosen(url: str, **environment: str) -> EgressProxy | None:
    return Egress.from_environment(environment).proxy_for(Origin.parse(url))


def test_each_scheme_has_its_proxy() -> None:
    proxies = {"HTTPS_PROXY": "http://secure:3128", "HTTP_PROXY": "plain:3129"}
    assert chosen("https://a.example", **proxies) == EgressProxy("secure", 3128)
    assert chosen("http://a.example", **proxies) == EgressProxy("plain", 3129)
    assert chosen("https://a.example") is None


def test_variables_are_read_in_any_case_and_the_lower_one_wins() -> None:
    assert chosen("https://a.example", https_proxy="http://low:1", HTTPS_PROXY="http://high:1") == EgressProxy("low", 1)
    assert chosen("https://a.example", Https_Proxy="http://mixed:1") == EgressProxy("mixed", 1)
    assert chosen("https://a.example", HTTPS_PROXY="") is None


def test_the_proxys_user_becomes_basic_credentials_and_is_not_printed() -> None:
    proxy = chosen("https://a.example", HTTPS_PROXY="http://us%40er:p%3Ass@egress:8080")
    assert proxy is not None
    assert proxy.authorization == b"Basic dXNAZXI6cDpzcw=="
    assert "dXNA" not in repr(proxy)


@pytest.mark.parametrize(
    "url", ["https://egress:1", "socks5://egress:1", "http://", "http://egress:99999", "http://a b"]
)
def test_a_proxy_of_a_kind_that_is_not_spoken_is_refused_by_name_of_the_variable(url: str) -> None:
    with pytest.raises(ValueError, match="HTTPS_PROXY"):
        UpstreamClient(ClientOptions(environment={"HTTPS_PROXY": url}))


@pytest.mark.parametrize(
    ("exceptions", "url", "direct"),
    [
        ("*", "https://a.example", True),
        ("a.example", "https://a.example", True),
        ("A.Example", "https://a.example", True),
        ("a.example", "https://b.a.example", True),
        ("a.example", "https://ba.example", False),
        (".a.example", "https://b.a.example", True),
        ("*.a.example", "https://b.a.example", True),
        ("b.example, a.example", "https://a.example", True),
        ("b.example a.example", "https://a.example", True),
        ("a.example:443", "https://a.example", True),
        ("a.example:8443", "https://a.example", False),
        ("a.example:8443", "https://a.example:8443", True),
        ("10.0.0.0/8", "https://10.1.2.3", True),
        ("10.0.0.0/8", "https://11.1.2.3", False),
        ("10.1.2.3", "https://10.1.2.3", True),
        ("10.1.2.3:443", "https://10.1.2.3:444", False),
        ("fd00::/8", "https://[fd00::1]", True),
        ("fd00::1", "https://[fd00::1]", True),
        ("[fd00::1]:443", "https://[fd00::1]", True),
        ("[fd00::1]:444", "https://[fd00::1]", False),
        ("10.0.0.0/8", "https://a.example", False),
        ("", "https://a.example", False),
        (",,", "https://a.example", False),
        ("", "https://127.0.0.1:8443", True),
        ("", "https://localhost", True),
        ("", "https://[::1]", True),
    ],
)
def test_no_proxy(exceptions: str, url: str, direct: bool) -> None:
    assert (chosen(url, HTTPS_PROXY="http://egress:1", NO_PROXY=exceptions) is None) == direct
