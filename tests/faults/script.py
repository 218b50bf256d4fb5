"""What will be sent, made from a seed: accounts, users, links and events whose effects can be foretold."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

ACTIVE_FROM = 5  # events, from which the indicator holds
DAYS = 20
RESENT = 0.05


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages for one workspace, due when this part (0 to 1) of the run has passed."""

    due: float
    workspace: int
    messages: tuple[dict, ...]


@dataclass(frozen=True, slots=True)
class Script:
    """All messages by workspace and message id, and the batches they are sent in, repetitions included."""

    seed: int
    began: datetime
    messages: dict[tuple[int, str], dict]
    batches: tuple[Batch, ...]
    events: int


def write(seed, *, events=5000, accounts=500, workspaces=2, began=None):
    """The script of a seed. `began` is the instant all timestamps are counted back from."""
    chance = random.Random(seed)
    began = (began or datetime.now(UTC)).replace(microsecond=0)
    placed = []
    for workspace in range(workspaces):
        share = range(accounts * workspace // workspaces, accounts * (workspace + 1) // workspaces)
        counts = _shares(chance, events * (workspace + 1) // workspaces - events * workspace // workspaces, len(share))
        for account, count in zip(share, counts, strict=True):
            start = chance.uniform(0, 0.8)
            life = _life(chance, account, count, began)
            placed += [(start + chance.uniform(0, 0.2), workspace, message) for message in life]
    placed.sort(key=lambda one: one[0])
    messages = {(workspace, message["messageId"]): message for _, workspace, message in placed}
    return Script(seed, began, messages, tuple(_batches(chance, placed, workspaces)), events)


def _shares(chance, total, parts):
    """`total` split at random: some accounts get a lot, some nothing."""
    cuts = sorted(chance.randint(0, total) for _ in range(parts - 1))
    return [after - before for before, after in zip([0, *cuts], [*cuts, total], strict=True)]


def _life(chance, account, events, began):
    """One account: itself twice, three users of whom one is its owner and one leaves, and what happened."""
    users = [f"user-{account}-{letter}" for letter in "abc"]
    owner, other, leaver = users
    name = f"account-{account}"

    def message(kind, number, days, **rest):
        at = began - timedelta(days=days, seconds=chance.randint(0, 80_000))
        yield {"type": kind, "messageId": f"{kind}-{account}-{number}", "timestamp": at.isoformat(), **rest}

    for number, days in enumerate((9, 3)):
        traits = {"name": f"Account {account}", "ownerId": owner, "mrr": account, "plan": f"plan {number}"}
        yield from message("account", number, days, accountId=name, traits=traits)
    yield from message("user", 0, 8, userId=owner, accountId=name, traits={"email": f"{owner}@customer.test"})
    yield from message("user", 1, 8, userId=other, accountIds=[name, f"account-{account - account % 10}"], traits={})
    yield from message("user", 2, 8, userId=leaver, accountId=name, traits={"name": "Leaver"})
    yield from message("unlink", 0, 2, userId=leaver, accountId=name)
    for number in range(events):
        who = {"accountId": name, "userId": chance.choice(users)}
        if chance.random() < 0.1:
            del who[chance.choice(("accountId", "userId"))]
        properties = {"serial": f"{account}-{number}", "note": "é" * chance.randint(0, 20)}
        days = chance.randint(0, DAYS)
        yield from message("event", number, days, event=f"thing {number % 7}", properties=properties, **who)


def _batches(chance, placed, workspaces):
    """Cut the line of messages into batches of 1 to 40; with some of them, earlier ones come again."""
    lines = [[one for one in placed if one[1] == workspace] for workspace in range(workspaces)]
    batches = []
    for workspace, line in enumerate(lines):
        start = 0
        while start < len(line):
            size = chance.choice((1, 1, 2, 5, 10, 40))
            part = [message for _, _, message in line[start : start + size]]
            earlier = [message for _, _, message in line[:start]]
            again = chance.sample(earlier, min(len(earlier), sum(chance.random() < RESENT for _ in part)))
            mixed = [*part, *again]
            chance.shuffle(mixed)
            batches.append(Batch(line[start][0], workspace, tuple(mixed)))
            start += size
    return sorted(batches, key=lambda batch: batch.due)
