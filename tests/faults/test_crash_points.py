"""A process dies twenty times at every named point, and nothing is lost or doubled."""

import asyncio

import pytest

from tests.faults import campaign, importing, script
from tests.faults.oracle import foretell
from tests.faults.points import Walk, named
from tests.faults.sender import Sender
from tests.faults.world import World

pytestmark = pytest.mark.faults

TIMES = 20
WORKSPACES = 24  # with two reprocessings each, or there would be too few of them to die in
SECONDS = 30.0  # in which the load is sent
PATIENCE_SECONDS = 150.0


def test_twenty_deaths_at_every_named_point_lose_and_double_nothing(capsys):
    told = script.write(campaign.SEED, events=4000, accounts=800, workspaces=WORKSPACES)
    of_posting = [point for point in named() if not point.startswith("import.")]
    # Few hands: a death then strands few jobs beside the one that was hit.
    with campaign.place() as folder, World(folder / "world", seed=campaign.SEED, worker_concurrency=6) as world:
        stage = asyncio.run(campaign.prepare(world, count=WORKSPACES))
        posted, walk = (Walk(world, points, TIMES) for points in (of_posting, named()))
        world.start("api")
        asyncio.run(stage.configure(world))
        world.kill("api")
        walk.start()
        sender = Sender(world.api, stage, importing.without_imported(told), seconds=SECONDS)
        sender.start()
        posted.go_on(seconds=PATIENCE_SECONDS, going=lambda: sender.trouble is None)
        sender.finish()
        # Only then the files: an import takes long, and would be hit by every death at every other point.
        imported = asyncio.run(importing.bring(world, stage, told))
        walk.go_on(seconds=PATIENCE_SECONDS, going=lambda: True)
        with capsys.disabled():
            print(f"\nseed {campaign.SEED}, {len(told.messages)} messages, {imported} of them imported: {walk}")
        assert not walk.missing, f"too few deaths at {walk.missing}\n{world.last_words()}"
        asyncio.run(campaign.rest(world))
        report = asyncio.run(stage.check(world, foretell(told.messages)))
    assert report.faultless, str(report)
    assert not sender.refused
    assert not sender.taken_twice
