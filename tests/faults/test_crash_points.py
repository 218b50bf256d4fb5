"""Every named point at which a process can die is walked through once, and nothing is lost or doubled."""

import asyncio
import dataclasses

import pytest

from tests.faults import campaign, script
from tests.faults.launch import DIED
from tests.faults.oracle import foretell
from tests.faults.sender import Sender
from tests.faults.world import World

pytestmark = pytest.mark.faults

# A changed traits map promises a reprocessing before anything is sent, so the points on its way come first.
POINTS = (
    "reprocessing.slice",
    "job.after_claim",
    "job.before_complete",
    "job.after_complete",
    "ingest.before_commit",
    "ingest.after_commit",
    "evaluation.taken",
    "deliver.before_send",
    "deliver.after_reply",
    "deliver.before_commit",
    "deliver.after_commit",
)


def test_a_death_at_any_named_point_loses_nothing():
    told = script.write(campaign.SEED, events=30 * len(POINTS), accounts=4 * len(POINTS), workspaces=len(POINTS))
    with campaign.place() as folder, World(folder / "world", seed=campaign.SEED) as world:
        stage = asyncio.run(campaign.prepare(world, count=len(POINTS)))
        world.start("api")
        asyncio.run(stage.configure(world))
        for number, point in enumerate(POINTS):
            died = walk_into(world, stage, point, only(told, number))
            assert died == DIED, f"{point} was never passed\n{world.last_words()}"
        world.start("worker-1")
        asyncio.run(campaign.rest(world))
        report = asyncio.run(stage.check(world, foretell(told.messages)))
    assert report.faultless, str(report)


def walk_into(world, stage, point, told):
    """Arm a process, send it work, and tell how it ended."""
    victim = "api" if point.startswith("ingest") else "worker-1"
    if victim == "api":
        world.kill("api")
    world.start(victim, die_at=point)
    sender = Sender(world.api, stage.keys, told, seconds=0.0)
    sender.start()
    died = world.wait(victim)
    if victim == "api":
        world.start("api")
    sender.finish()
    return died


def only(told, workspace):
    """What the script says to one workspace."""
    return dataclasses.replace(told, batches=tuple(one for one in told.batches if one.workspace == workspace))
