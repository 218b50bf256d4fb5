"""Which addresses may be dialled: a table, and a second implementation that must agree."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.outbound.addresses import DENIED_V4, DENIED_V6, Allow, is_allowed, is_public, parse

INWARD = [
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254"),
    *("168.63.129.16", "169.254.169.254", "169.254.170.2", "172.16.0.1", "172.31.255.255", "192.0.0.192"),
    *("192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.7", "203.0.113.9"),
    *("224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1"),
    *("64:ff9b:1::7f00:1", "100::1", "2001::1", "2001:0:7f00:1::", "2001:2::1", "2001:10::1", "2001:20::1"),
    *("2001:db8::1", "2002:7f00:1::", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fd20:ce::254"),
    *("fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "2606:4700::1%1"),
]
PUBLIC = [
    *("1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255"),
    *("128.0.0.0", "168.63.129.15", "172.15.255.255", "172.32.0.0", "192.0.1.0", "198.17.255.255", "198.20.0.0"),
    *("223.255.255.255", "::ffff:8.8.8.8", "2001:200::1", "2001:4860:4860::8888", "2003::1", "2606:4700::1111"),
    *("2a00::1", "3ffe::1", "3fff:1000::1"),
]


@pytest.mark.parametrize("text", INWARD)
def test_an_inward_address_is_refused(text):
    assert not is_public(ip_address(text))


@pytest.mark.parametrize("text", PUBLIC)
def test_a_public_address_is_allowed(text):
    assert is_public(ip_address(text))


def by_octets(number: int) -> bool:
    """IPv4 again, written differently: by octets and not by networks."""
    a, b, c, d = number.to_bytes(4)
    if a in {0, 10, 127} or a > 223 or (a, b, c, d) == (168, 63, 129, 16):
        return False
    inside = {
        100: b // 64 == 1,
        169: b == 254,
        172: b // 16 == 1,
        192: b == 168 or (b, c) in {(0, 0), (0, 2), (88, 99)},
        198: b in {18, 19} or (b, c) == (51, 100),
        203: (b, c) == (0, 113),
    }
    return not inside.get(a, False)


def by_groups(number: int) -> bool:
    """IPv6 again, by groups of sixteen bits."""
    if number >> 32 == 0xFFFF:
        return by_octets(number & 0xFFFFFFFF)
    first, second = number >> 112, number >> 96 & 0xFFFF
    if first >> 13 != 1 or first == 0x2002:
        return False
    if first == 0x2001:
        return second >= 0x200 and second != 0xDB8
    return not (first == 0x3FFF and second < 0x1000)


def near(networks):
    """Addresses at and around the edges of networks, where mistakes are."""
    edges = [int(edge) for network in networks for edge in (network.network_address, network.broadcast_address)]
    return st.builds(lambda edge, step: max(edge + step, 0), st.sampled_from(edges), st.integers(-2, 2))


@given(st.one_of(st.integers(0, 2**32 - 1), near(DENIED_V4)).filter(lambda number: number < 2**32))
def test_two_implementations_agree_on_ipv4(number):
    assert is_public(IPv4Address(number)) == by_octets(number)
    assert is_public(IPv6Address(0xFFFF << 32 | number)) == by_octets(number)
    assert not is_public(IPv4Address(number)) or IPv4Address(number).is_global


@given(st.one_of(st.integers(0, 2**128 - 1), st.integers(2**125, 2**126 - 1), near(DENIED_V6)))
@example(0x64FF9B << 96 | 0x7F000001)
def test_two_implementations_agree_on_ipv6(number):
    assert is_public(IPv6Address(number)) == by_groups(number)


@pytest.mark.parametrize(
    "text",
    [
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "0",
        "",
        "127.0.0.1.",
        "①②⑦.0.0.1",
        "\uff11.2.3.4",
        "[::1]",
        " ::1",
    ],
)
def test_only_the_strict_form_of_an_address_is_one(text):
    assert parse(text) is None


def test_the_operator_may_add_networks_names_and_ports():
    allow = Allow.of(["10.0.0.0/8", "127.0.0.1", "fd00::/8", "Hooks.corp.example", ":8443", "::1"])

    assert is_allowed(ip_address("10.1.2.3"), allow)
    assert is_allowed(ip_address("::ffff:10.1.2.3"), allow)
    assert is_allowed(ip_address("fd00::7"), allow)
    assert is_allowed(ip_address("::1"), allow)
    assert not is_allowed(ip_address("127.0.0.2"), allow)
    assert allow.lists_name("hooks.CORP.example")
    assert not allow.lists_name("corp.example")
    assert allow.ports == {443, 8443}
    assert allow.describe() == "10.0.0.0/8, 127.0.0.1/32, fd00::/8, ::1/128, hooks.corp.example, :8443"


@pytest.mark.parametrize(
    "entry", ["", "10.0.0.1/8", "999.1.1.1", ":0", ":99999", ":x", "https://x", "a..b", "*.corp", "1.2"]
)
def test_an_entry_that_means_nothing_stops_the_start(entry):
    with pytest.raises(ValueError, match=r".*"):
        Allow.of([entry])
