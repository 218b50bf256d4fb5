"""No URL and no name leads to a listener of our own network: campaign C15.

The tricks are tried twice: as a tenant would give them, and with the URL rule taken away, so that the guard at the
point of dialling is seen to hold alone. The last test takes that away too, and must see the canary reached.
"""

import asyncio
import re
from collections.abc import Sequence

import pytest

from app.outbound import destinations, dialling
from app.outbound.addresses import Allow
from app.outbound.http import Client, Outcome
from tests.outbound.certificates import Authority
from tests.receivers import Receiver

PUBLIC = "93.184.216.34"

HOSTS = [
    *("127.0.0.1", "localhost", "[::1]", "0", "0.0.0.0", "127.1", "127.0.1", "127.255.255.254", "LOCALHOST"),
    *("2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001", "0x7f.0.0.1", "127.0.0.0x1", "00.0.0.0"),
    *("\uff11\uff12\uff17.\uff10.\uff10.\uff11", "\u2460\u2461\u2466.\u24ea.\u24ea.\u2460", "127\u30020\u30020\u30021"),
    *("[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[::127.0.0.1]", "[::]"),
    *("[0:0:0:0:0:0:0:1]", "[fe80::1%25lo]", "[::1%25lo]", "[fec0::1]", "127.0.0.1.", "localhost.", "127.0.0.1.."),
    *(
        "user:pw@127.0.0.1",
        "good.example@127.0.0.1",
        "127.0.0.1%00.example",
        "127.0.0.1%2e",
        "%6cocalhost",
        "%31%32%37.0.0.1",
    ),
    *(
        "good.example\\@127.0.0.1",
        "127.0.0.1\\.good.example",
        "127.0.0.1\t",
        "127.0.0.1#@good.example",
        "127.0.0.1?@good.example",
    ),
    *("rebound.example", "mixed.example", "internal.good.example", "xn--bcher-kva.example", "a.b.c.d.e.f.example"),
]
SCHEMES = ["http", "https"]
LOCAL = re.compile(r"[0-9a-fx.:\[\]\u2460-\uffff]+|localhost|.*@127.0.0.1", re.IGNORECASE)
"""What the system answers without asking a name server."""


def answers(*turns: Sequence[str]) -> dialling.Lookup:
    """A name server that says something else each time; the last turn stays."""
    left = list(turns)

    async def lookup(_host: str, _port: int) -> Sequence[str]:
        return left.pop(0) if len(left) > 1 else left[0]

    return lookup


LOOKUPS = {
    "system": None,
    "loopback": answers(["127.0.0.1"]),
    "loopback by IPv6": answers(["::1"]),
    "mapped": answers(["::ffff:127.0.0.1"]),
    "mixed": answers([PUBLIC, "127.0.0.1"]),
    "mixed the other way": answers(["127.0.0.1", PUBLIC]),
    "odd form": answers(["127.1"]),
    "a name": answers(["localhost"]),
    "zone": answers(["::1%1"]),
}


@pytest.fixture
async def canary():
    async with Receiver() as receiver:
        yield receiver


async def attempt(client: Client, url: str) -> Outcome:
    """One call; a URL the HTTP library itself throws out (the URL rule taken away) counts as refused."""
    try:
        return await client.post(url, b"{}", {})
    except ValueError:
        return Outcome(None, "destination_not_allowed", None, "", 0)


def tricks(port: int, lookup: str) -> list[str]:
    """Every host by both schemes; what would ask the real name system is left to the other lookups."""
    hosts = [host for host in HOSTS if lookup != "system" or LOCAL.fullmatch(host)]
    return [f"{scheme}://{_with_port(host, port)}" for host in hosts for scheme in SCHEMES]


def _with_port(host: str, port: int) -> str:
    for mark in ("#", "?"):
        if mark in host:
            return host.replace(mark, f":{port}/{mark}", 1)
    return f"{host}:{port}/hook"


@pytest.mark.parametrize("lookup", LOOKUPS)
@pytest.mark.parametrize("rule", ["with the URL rule", "by the guard alone"])
async def test_no_trick_reaches_the_canary(canary, monkeypatch, lookup, rule):
    if rule == "by the guard alone":
        monkeypatch.setattr(destinations, "check_url", lambda *_: None)
    async with Client(deadline=3, lookup=LOOKUPS[lookup]) as client:
        outcomes = {url: await attempt(client, url) for url in tricks(canary.port, lookup)}

    assert canary.connections == 0
    assert len(outcomes) > 50
    assert not [url for url, outcome in outcomes.items() if outcome.ok or outcome.status is not None]
    assert not [
        url
        for url, outcome in outcomes.items()
        if outcome.error not in {"destination_not_allowed", "connection_failed"}
    ]
    if rule == "with the URL rule":
        assert {outcome.error for outcome in outcomes.values()} == {"destination_not_allowed"}


async def test_without_the_guard_the_tricks_do_reach_it(canary, monkeypatch):
    """The control: what the campaign above would look like if nothing held."""
    monkeypatch.setattr(destinations, "check_url", lambda *_: None)
    monkeypatch.setattr(dialling.Gate, "check", lambda *_: None)
    reached = set()
    for name in ("system", "loopback", "mapped", "a name"):
        urls = [url for url in tricks(canary.port, name) if url.startswith("http:") and not _leads_outside(url)]
        async with Client(deadline=3, lookup=LOOKUPS[name]) as client:
            outcomes = await asyncio.gather(*(attempt(client, url) for url in urls))
        reached |= {url for url, outcome in zip(urls, outcomes, strict=True) if outcome.ok}

    assert len(reached) >= 15
    assert canary.connections > 0


def _leads_outside(url: str) -> bool:
    return any(start in url for start in ("[64:", "[::127", "[2002:", "[fec0:", "[fe80:"))


# -- Names that change their mind, with TLS -------------------------------------------------------------------------

# 127.0.0.1 plays the public internet (the operator lists it); 127.0.0.2 is the inside.


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def world(port: int) -> Allow:
    return Allow.of(["127.0.0.1/32", f":{port}"])


async def test_a_name_is_dialled_at_its_checked_address_and_keeps_its_name(authority):
    names = []
    context = authority.server("hook.example.com")
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    async with Receiver(with_tls=context) as hook:
        lookup = answers(["127.0.0.1"])
        async with Client(world(hook.port), tls=authority.trust, lookup=lookup) as client:
            outcome = await client.post(hook.url_for("hook.example.com"), b"{}", {})

    assert outcome.ok
    assert names == ["hook.example.com"]
    assert hook.requests[0].headers["host"] == f"hook.example.com:{hook.port}"


async def test_a_name_that_turns_inwards_is_refused_the_second_time(authority):
    async with Receiver(with_tls=authority.server("hook.example.com")) as hook:
        hook.answer(200, headers={"connection": "close"})
        lookup = answers(["127.0.0.1"], ["127.0.0.2"], ["127.0.0.1", "127.0.0.2"], ["127.0.0.1"])
        async with Client(world(hook.port), tls=authority.trust, lookup=lookup) as client:
            told = [await client.post(hook.url_for("hook.example.com"), b"{}", {}) for _ in range(4)]

    assert [outcome.error for outcome in told] == [None, "destination_not_allowed", "destination_not_allowed", None]
    assert hook.connections == 2


async def test_every_new_connection_asks_again():
    asked = []

    async def lookup(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"]

    async with Receiver() as hook:
        hook.answer(200, headers={"connection": "close"})
        async with Client(Allow.of(["hook.corp"]), lookup=lookup) as client:
            for _ in range(3):
                await client.post(hook.url_for("hook.corp"), b"{}", {})
    assert asked == ["hook.corp"] * 3


async def test_a_listed_name_may_lead_inwards_and_no_other_name_with_it():
    async with Receiver() as hook:
        allow = Allow.of(["hook.corp", f":{hook.port}"])
        async with Client(allow, lookup=answers(["127.0.0.1"])) as client:
            listed = await client.post(hook.url_for("hook.corp"), b"{}", {})
            other = await client.post(f"https://other.corp.example:{hook.port}/", b"{}", {})

    assert listed.ok
    assert other.error == "destination_not_allowed"
    assert hook.connections == 1


@pytest.mark.parametrize(
    ("names", "days"), [(["hook.example.com"], -1), (["other.example.com"], 1), (["127.0.0.1"], 1)]
)
async def test_an_expired_or_foreign_certificate_is_a_failure(authority, names, days):
    async with Receiver(with_tls=authority.server(*names, days=days)) as hook:
        url = hook.url_for("hook.example.com")
        async with Client(world(hook.port), tls=authority.trust, lookup=answers(["127.0.0.1"])) as client:
            outcome = await client.post(url, b"{}", {})
    assert (outcome.status, outcome.error, len(hook.requests)) == (None, "tls_failed", 0)


async def test_an_unknown_authority_is_a_failure(authority):
    async with Receiver(with_tls=authority.server("hook.example.com")) as hook:
        url = hook.url_for("hook.example.com")
        async with Client(world(hook.port), lookup=answers(["127.0.0.1"])) as client:
            outcome = await client.post(url, b"{}", {})
    assert (outcome.status, outcome.error) == (None, "tls_failed")


async def test_nothing_low_level_is_told():
    for lookup in LOOKUPS.values():
        async with Client(deadline=1, lookup=lookup) as client:
            outcome = await client.post("https://10.0.0.1/" if lookup is None else "https://a.example.com/", b"{}", {})
        assert outcome.error == "destination_not_allowed"
        assert not any(letter.isdigit() for letter in outcome.reason + outcome.excerpt)
