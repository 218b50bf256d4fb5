"""Which URLs a tenant may ask us to call, judged by their text alone; the address is judged when it is dialled."""

import re
from ipaddress import IPv4Address, IPv6Address
from typing import Final, NoReturn

from app.domain.destinations import DestinationNotAllowed
from app.outbound.addresses import NOTHING, Address, Allow, is_allowed, parse

LONGEST: Final = 2048

_PLAIN: Final = re.compile(r"[\x21-\x7e]+\Z")
# One narrow grammar instead of a parser: what does not match is refused, so no two parsers can disagree about it.
_URL: Final = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::(?P<port>[0-9]{1,5}))?(?:[/?][^#\\]*)?\Z",
    re.IGNORECASE,
)
_LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)\Z")
_NUMBER: Final = re.compile(r"([0-9]+|0x[0-9a-f]*)\Z")
_INWARD: Final = ("localhost", "local", "localdomain", "internal", "home.arpa")


def check_url(url: str, allow: Allow = NOTHING) -> None:
    """Raise DestinationNotAllowed unless `url` is one we would call.

    https on port 443 (or one of `allow.ports`) of a public host; a host or address in the operator's list may also
    be called by http and on any port.
    """
    if len(url) > LONGEST or not _PLAIN.match(url):
        _refuse(f"Use at most {LONGEST} printable ASCII characters; write international names in their xn-- form.")
    match = _URL.match(url)
    if match is None:
        _refuse("Use the form https://host/path: no user name, fragment, backslash or escape in the host.")
    scheme, host = match["scheme"].lower(), match["host"].lower()
    listed = _check_host(host, allow)
    if scheme != "https" and not (scheme == "http" and listed):
        _refuse("Use https.")
    port = int(match["port"] or (443 if scheme == "https" else 80))
    if not 0 < port < 65536 or (port not in allow.ports and not listed):
        _refuse("Use port 443.")


def _check_host(host: str, allow: Allow) -> bool:
    """Refuse a host that leads inwards; answer whether the operator lists it."""
    if allow.lists_name(host):
        return True
    address = _literal(host)
    if address is not None:
        if not is_allowed(address, allow):
            _refuse("This address is not on the public internet.")
        return allow.lists_address(address)
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.match(label) for label in labels) or _NUMBER.match(labels[-1]):
        _refuse("This is not a host name.")
    if len(labels) < 2 or host.endswith(tuple(f".{name}" for name in _INWARD)):
        _refuse("This name is not on the public internet.")
    return False


def _literal(host: str) -> Address | None:
    if host.startswith("["):
        inner = parse(host[1:-1])
        if not isinstance(inner, IPv6Address):
            _refuse("This is not an address.")
        return inner
    outer = parse(host)
    return outer if isinstance(outer, IPv4Address) else None


def _refuse(detail: str) -> NoReturn:
    raise DestinationNotAllowed(detail)
