"""Which IP addresses may be dialled: the public internet, and what the operator lists; nothing of our own network."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, Self

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

DENIED_V4: Final = tuple(
    IPv4Network(cidr)
    for cidr in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared by carriers; some clouds' metadata
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # a cloud's host agent behind a public number
        "169.254.0.0/16",  # link local; most clouds' metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments; a cloud's metadata
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)

GLOBAL_V6: Final = IPv6Network("2000::/3")
"""The only IPv6 space handed out for the public internet; loopback, NAT64, unique local, link local lie outside."""

DENIED_V6: Final = tuple(
    IPv6Network(cidr)
    for cidr in (
        "2001::/23",  # protocol assignments: Teredo, benchmarks, ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, which embeds any IPv4 address
        "3fff::/20",  # documentation
    )
)


_NAME: Final = re.compile(r"[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*\Z")
_PORT: Final = re.compile(r":[0-9]{1,5}\Z")


@dataclass(frozen=True, slots=True)
class Allow:
    """What the operator adds to the public internet: networks, host names, and ports beside 443."""

    networks: tuple[Network, ...] = ()
    names: frozenset[str] = frozenset()
    ports: frozenset[int] = frozenset({443})

    @classmethod
    def of(cls, entries: Iterable[str]) -> Self:
        """Read `10.0.0.0/8`, `10.0.0.5`, `hooks.corp.example` or `:8443` (a port); ValueError for anything else."""
        networks, names, ports = list[Network](), set[str](), {443}
        for entry in entries:
            if _PORT.match(entry):
                ports.add(_port(entry))
            elif _is_name(entry):
                names.add(entry.lower())
            else:
                networks.append(ip_network(entry))
        return cls(tuple(networks), frozenset(names), frozenset(ports))

    def describe(self) -> str:
        """The list as the operator wrote it, for the log."""
        ports = (f":{port}" for port in sorted(self.ports - {443}))
        return ", ".join((*map(str, self.networks), *sorted(self.names), *ports))

    def lists_name(self, host: str) -> bool:
        """Whether this host name may lead anywhere."""
        return host.lower() in self.names

    def lists_address(self, address: Address) -> bool:
        """Whether this address lies in a network of the operator's list."""
        plain = unwrap(address)
        return any(plain.version == network.version and plain in network for network in self.networks)


NOTHING: Final = Allow()


def is_allowed(address: Address, allow: Allow = NOTHING) -> bool:
    """Whether `address` may be dialled."""
    return is_public(address) or allow.lists_address(address)


def is_public(address: Address) -> bool:
    """Whether `address` belongs to the public internet; one mapped into IPv6 (`::ffff:0:0/96`) is judged as IPv4."""
    plain = unwrap(address)
    if isinstance(plain, IPv4Address):
        return not any(plain in network for network in DENIED_V4)
    return plain.scope_id is None and plain in GLOBAL_V6 and not any(plain in network for network in DENIED_V6)


def unwrap(address: Address) -> Address:
    """The IPv4 address mapped into an IPv6 one, or the address itself."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


def parse(text: str) -> Address | None:
    """The address written in its one strict form (no `127.1`, `0x7f.1` or leading zeros), or None."""
    try:
        return ip_address(text)
    except ValueError:
        return None


def _is_name(entry: str) -> bool:
    return bool(_NAME.match(entry)) and not entry.rpartition(".")[2].isdigit()


def _port(entry: str) -> int:
    port = int(entry[1:])
    if not 0 < port < 65536:
        raise ValueError(f"{entry} is not a port")
    return port
