"""The enemy: a schedule made from a seed, and the hand that carries it out."""

import random
import time
from collections import Counter
from dataclasses import dataclass

from tests.faults.world import WORKERS

VICTIMS = ("api", *WORKERS)
REVIVED_WITHIN = 0.4


@dataclass(frozen=True, slots=True)
class Blow:
    """What happens, to whom, at which second of the run, and how long a killed process stays down."""

    at: float
    what: str
    whom: str = ""
    down: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of what in how many seconds."""

    seconds: float
    kills: int
    flushes: int
    valkey_restarts: int
    postgres_crashes: int


def schedule(seed, plan):
    """The blows of a seed in order. Kills come evenly with some play; the servers fall in the middle of the run."""
    chance = random.Random(f"nemesis {seed}")
    victims = [VICTIMS[number % len(VICTIMS)] for number in range(plan.kills)]
    chance.shuffle(victims)
    every = plan.seconds / max(plan.kills, 1)
    blows = [
        Blow(every * (number + chance.uniform(0.1, 0.9)), "kill", victim, chance.uniform(0, REVIVED_WITHIN))
        for number, victim in enumerate(victims)
    ]
    for what, count in (("flush", plan.flushes), ("valkey", plan.valkey_restarts), ("postgres", plan.postgres_crashes)):
        part = plan.seconds / max(count, 1)
        blows += [Blow(part * (number + chance.uniform(0.2, 0.8)), what) for number in range(count)]
    return sorted(blows, key=lambda blow: blow.at)


def strike(world, blows, *, began, going):
    """Carry the blows out while it is `going`, each at its time or right after the one before; what was done."""
    done = Counter()
    for blow in blows:
        time.sleep(max(0.0, began + blow.at - time.monotonic()))
        if not going():
            break
        _hit(world, blow)
        done[blow.what] += 1
    return done


def _hit(world, blow):
    if blow.what == "kill":
        world.kill(blow.whom)
        time.sleep(blow.down)
        world.start(blow.whom)
    elif blow.what == "flush":
        world.flush_valkey()
    elif blow.what == "valkey":
        world.restart_valkey()
    else:
        world.crash_postgres()
