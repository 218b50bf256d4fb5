"""Compares what was foretold with what is there: in the database, and in the receiver's own log."""

import base64
import json
import re
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path

import asyncpg
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

INVARIANTS = Path(__file__).with_name("invariants.sql")
SAMPLE = 5

EVENTS = """
select e.workspace_id, e.properties ->> 'serial' as serial, a.external_id as account, u.external_id as user, e.name,
    e.occurred_at
from events e
left join accounts a on a.workspace_id = e.workspace_id and a.id = e.account_id
left join users u on u.workspace_id = e.workspace_id and u.id = e.user_id
"""
LINKS = """
select m.workspace_id, a.external_id as account, u.external_id as user, m.linked from memberships m
join accounts a on a.workspace_id = m.workspace_id and a.id = m.account_id
join users u on u.workspace_id = m.workspace_id and u.id = m.user_id
"""
DAYS = """
select d.workspace_id, u.external_id as user, d.day from user_days d
join users u on u.workspace_id = d.workspace_id and u.id = d.user_id
"""
SESSIONS = """
select d.workspace_id, u.external_id as user, d.sessions from user_activity d
join users u on u.workspace_id = d.workspace_id and u.id = d.user_id where d.sessions > 0
"""
COUNTS = """
select v.workspace_id, a.external_id as account, v.events from account_activity v
join accounts a on a.workspace_id = v.workspace_id and a.id = v.account_id where v.events > 0
"""
FACTS = """
select f.workspace_id, a.external_id as account, f.owner_external_id from account_facts f
join accounts a on a.workspace_id = f.workspace_id and a.id = f.account_id where f.owner_id is not null
"""
CHANGES = """
select c.workspace_id, a.external_id as account from owner_changes c
join accounts a on a.workspace_id = c.workspace_id and a.id = c.account_id
"""
ALERTS = """
select l.workspace_id, a.external_id as account from alerts l
join accounts a on a.workspace_id = l.workspace_id and a.id = l.account_id
"""
TRAITS = "select workspace_id, external_id as account, traits::text from accounts"
LETTERS = """
select d.workspace_id, regexp_replace(w.url, '^.*/', '') as endpoint, d.type, a.external_id as account, d.state
from deliveries d
join webhook_endpoints w on w.workspace_id = d.workspace_id and w.id = d.endpoint_id
left join accounts a on a.workspace_id = d.workspace_id
    and a.external_id = convert_from(d.body, 'UTF8')::jsonb #>> '{data,account,externalId}'
"""


@dataclass(slots=True)
class Report:
    """What is missing and what is there too often, by kind; and everything else that is wrong."""

    lost: dict = field(default_factory=dict)
    doubled: dict = field(default_factory=dict)
    wrong: dict = field(default_factory=dict)
    letters: int = 0  # distinct letters the receiver took
    arrivals: int = 0
    resent: int = 0  # letters that came again, same id, after the receiver had taken them
    refused: int = 0  # arrivals the receiver answered badly

    def compare(self, kind, foretold, found):
        """Two lists of the same kind; what is foretold once and found twice is doubled once."""
        rest = list(found)
        self._note(self.lost, kind, set(foretold) - set(rest))
        seen = set()
        extra = [one for one in rest if one not in foretold or one in seen or seen.add(one)]
        self._note(self.doubled, kind, extra)

    def tally(self, kind, foretold, found):
        """Two counters: too low is lost, too high is doubled."""
        both = [(key, foretold.get(key, 0), found.get(key, 0)) for key in foretold.keys() | found]
        self._note(self.lost, kind, [one for one in both if one[2] < one[1]])
        self._note(self.doubled, kind, [one for one in both if one[2] > one[1]])

    def complain(self, what, found):
        self._note(self.wrong, what, found)

    @property
    def count_lost(self):
        return sum(len(found) for found in self.lost.values())

    @property
    def count_doubled(self):
        return sum(len(found) for found in self.doubled.values())

    @property
    def faultless(self):
        return not (self.lost or self.doubled or self.wrong)

    def __str__(self):
        lines = []
        for title in ("lost", "doubled", "wrong"):
            for kind, found in getattr(self, title).items():
                lines.append(f"{title}: {len(found)} {kind}, such as {list(found)[:SAMPLE]}")
        return "\n".join(lines) or "nothing lost, nothing doubled, nothing wrong"

    @staticmethod
    def _note(where, kind, found):
        if found:
            where[kind] = list(found)


async def check(url, foretold, *, workspaces, secrets, log):
    """The report on a world at rest. `workspaces` lists their ids; `secrets` maps an endpoint's path to its secret."""
    report = Report()
    number = {workspace: place for place, workspace in enumerate(workspaces)}
    connection = await asyncpg.connect(_plain(url))
    try:
        await _check_rows(connection, foretold, report, number)
        for sentence, query in invariants():
            report.complain(f"not true: {sentence}", [tuple(row) for row in await connection.fetch(query)])
    finally:
        await connection.close()
    _check_arrivals(foretold, report, secrets, log)
    return report


async def _check_rows(connection, foretold, report, number):
    async def rows(query):
        return [(number[row[0]], *list(row)[1:]) for row in await connection.fetch(query)]

    events = [(*row[:5], row[5].astimezone(UTC)) for row in await rows(EVENTS)]
    report.compare("events", foretold.events, events)
    report.compare("links", set(_flat(foretold.links)), await rows(LINKS))
    report.compare("days of users", foretold.days, await rows(DAYS))
    report.compare("alerts", foretold.alerts, await rows(ALERTS))
    report.compare("owners", set(_flat(foretold.owners)), await rows(FACTS))
    report.compare("changes of owners", set(foretold.owners), await rows(CHANGES))
    letters = await rows(LETTERS)
    report.compare("letters", foretold.letters, [row[:4] for row in letters])
    report.complain("letters not delivered", [row for row in letters if row[4] != "delivered"])
    report.tally("events counted", foretold.counts, {row[:2]: row[2] for row in await rows(COUNTS)})
    report.tally("sessions counted", foretold.sessions, {row[:2]: row[2] for row in await rows(SESSIONS)})
    traits = {row[:2]: json.loads(row[2]) for row in await rows(TRAITS)}
    different = [key for key in foretold.traits.keys() | traits if foretold.traits.get(key) != traits.get(key)]
    report.complain("traits", different)


def _check_arrivals(foretold, report, secrets, log):
    """The receiver is the second witness: it knows nothing of our database."""
    ids, bodies, taken, badly_signed = defaultdict(set), defaultdict(set), set(), []
    again = set()
    for arrival in map(json.loads, Path(log).read_text().splitlines()):
        body, name = base64.b64decode(arrival["body"]), arrival["headers"]["webhook-id"]
        report.arrivals += 1
        report.refused += arrival["outcome"] != 200
        if not _signed(secrets[arrival["path"]], body, arrival["headers"]):
            badly_signed.append(name)
        letter = _letter(arrival["path"], json.loads(body))
        bodies[arrival["path"], name].add(body)
        ids[letter].add(name)
        if (arrival["path"], name) in taken:
            again.add((arrival["path"], name))
        if arrival["outcome"] == 200:
            taken.add((arrival["path"], name))
    report.letters, report.resent = len(taken), len(again)
    arrived = [letter for letter, names in ids.items() for name in names if (_path(letter), name) in taken]
    report.compare("letters received", foretold.letters, arrived)
    report.complain("one id with several bodies", [key for key, found in bodies.items() if len(found) > 1])
    report.complain("badly signed", badly_signed)


def _letter(path, body):
    _, workspace, endpoint = path.split("/")
    return (int(workspace), endpoint, body["type"], body["data"]["account"]["externalId"])


def _path(letter):
    return f"/{letter[0]}/{letter[1]}"


def _signed(secret, body, headers):
    try:
        Webhook(secret).verify(body, headers)
    except WebhookVerificationError:
        return False
    return True


def _flat(found):
    return ((*key, value) for key, value in found.items())


def _plain(url):
    return url.replace("postgresql+asyncpg", "postgresql")


def invariants():
    """(sentence, query) of each."""
    parts = re.split(r"^-- name: (.*)$", INVARIANTS.read_text(), flags=re.MULTILINE)[1:]
    return list(zip(parts[::2], (query.strip().rstrip(";") for query in parts[1::2]), strict=True))
