"""Which URLs are accepted when a tenant names one."""

import pytest

from app.domain.destinations import DestinationNotAllowed
from app.domain.errors import Rejected
from app.outbound.addresses import Allow
from app.outbound.destinations import LONGEST, check_url

GOOD = [
    "https://hooks.example.com",
    "https://hooks.example.com/",
    "https://hooks.example.com:443/a/b?c=d&e=%20",
    "HTTPS://Hooks.Example.com/x",
    "https://a_b.example.com/x",
    "https://xn--bcher-kva.example/hook",
    "https://example.com?x=1",
    "https://example.com/@user:pass@x",
    "https://8.8.8.8/hook",
    "https://[2606:4700::1111]/hook",
    "https://1.example/",
    "https://example.com/" + "a" * (LONGEST - 20),
]
BAD = [
    # rows 99 and 100: loopback in its many forms
    *("http://127.0.0.1", "http://localhost", "http://[::1]", "http://0", "http://127.1"),
    *("https://127.0.0.1", "https://localhost", "https://[::1]", "https://0", "https://127.1", "https://a.localhost"),
    *("https://2130706433", "https://0x7f000001", "https://0177.0.0.1", "https://0x7f.1", "https://127.0.0.0x1"),
    *(
        "https://127.0.0.1",
        "https://①②⑦.⓪.⓪.①",
        "https://127。0。0。1",
        "https://\uff11\uff12\uff17.\uff10.\uff10.\uff11",
        "https://\uff45xample.com",
    ),
    # row 101: addresses inside addresses
    *("https://[::ffff:127.0.0.1]", "https://[64:ff9b::7f00:1]", "https://[2002:7f00:1::]", "https://[::127.0.0.1]"),
    *("https://[fec0::1]", "https://[fd00:ec2::254]", "https://[fe80::1%25eth0]", "https://[fe80::1%eth0]"),
    *("https://[127.0.0.1]", "https://[v1.a]", "https://[::1", "https://::1", "https://[]"),
    # row 102: metadata services
    *("https://169.254.169.254/latest", "https://100.100.100.200", "https://169.254.170.2"),
    *("https://metadata.google.internal", "https://metadata", "https://printer.local", "https://x.home.arpa"),
    # row 105: parsers disagreeing
    *("https://user:pw@example.com", "https://user@example.com", "https://good.example@127.0.0.1"),
    *("https://127.0.0.1%00.example", "https://exa%6dple.com", "https://example.com\\@127.0.0.1"),
    *(
        "https:\\\\example.com",
        "https://example.com/\\x",
        "https://exam\tple.com",
        "https://example.com/\n",
        "\thttps://a.bc",
    ),
    *(
        "https://example.com.",
        "https://example.com./",
        "https://127.0.0.1.",
        "https://.example.com",
        "https://a..b.com",
    ),
    *("https://example.com#frag", "https://example.com/#127.0.0.1", "https:///x", "https://", "https:example.com"),
    *("//example.com", "example.com", "", " https://example.com", "https://example.com/é", "https://-a.example"),
    *(f"https://{'a' * 64}.example", f"https://{'a.' * 130}example", "https://example.com/" + "a" * LONGEST),
    # row 106: other schemes and ports
    *("file:///etc/passwd", "gopher://example.com", "ftp://example.com", "unix:///run/x.sock", "data:text/plain,x"),
    *("javascript:alert(1)", "ws://example.com", "http://example.com", "http://example.com:443"),
    *(f"https://example.com:{port}" for port in (22, 25, 80, 5432, 6379, 0, 65536, 99999, 8443)),
    *("https://example.com:", "https://example.com:-1", "https://example.com:+443", "https://example.com:443:443"),
]


@pytest.mark.parametrize("url", GOOD)
def test_a_plain_https_url_is_accepted(url):
    check_url(url)


@pytest.mark.parametrize("url", BAD)
def test_anything_else_is_refused_with_the_same_code(url):
    with pytest.raises(DestinationNotAllowed) as refusal:
        check_url(url)
    assert isinstance(refusal.value, Rejected)
    assert refusal.value.code == "destination_not_allowed"
    assert refusal.value.detail.endswith(".")


@pytest.mark.parametrize(
    "url", ["http://10.0.0.5/x", "https://10.0.0.5:9000", "http://hooks.corp:8080/x", "http://HOOKS.corp/x"]
)
def test_a_listed_host_may_use_http_and_any_port(url):
    check_url(url, Allow.of(["10.0.0.0/8", "hooks.corp"]))


@pytest.mark.parametrize(
    "url", ["http://11.0.0.5/x", "http://a.hooks.corp/x", "https://hooks.corp:0/", "ftp://hooks.corp/"]
)
def test_the_list_covers_what_it_names_and_nothing_else(url):
    with pytest.raises(DestinationNotAllowed):
        check_url(url, Allow.of(["10.0.0.0/8", "hooks.corp"]))


def test_a_listed_port_is_open_to_public_hosts_by_https_only():
    allow = Allow.of([":8443"])
    check_url("https://example.com:8443/x", allow)
    for url in ("http://example.com:8443/x", "https://127.0.0.1:8443/x", "https://example.com:8444/x"):
        with pytest.raises(DestinationNotAllowed):
            check_url(url, allow)
