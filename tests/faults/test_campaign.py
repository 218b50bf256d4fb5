"""Nothing acknowledged is lost and nothing happens twice while everything is killed; and that test can fail."""

import pytest

from tests.faults import campaign

pytestmark = pytest.mark.faults


@pytest.fixture
def folder():
    with campaign.place() as place:
        yield place / "world"


def test_nothing_is_lost_or_doubled_while_processes_redis_and_postgres_die(folder):
    outcome = campaign.run(folder, campaign.MAIN)

    print(f"\nseed {outcome.seed}: {outcome.sentence}")
    assert outcome.report.faultless, str(outcome.report)
    assert outcome.acknowledged == 5000
    assert outcome.blows == {
        "kill": campaign.MAIN.kills,
        "flush": campaign.MAIN.flushes,
        "valkey": campaign.MAIN.valkey_restarts,
        "postgres": campaign.MAIN.postgres_crashes,
    }
    assert outcome.report.resent, "no letter was ever sent twice: the kills hit nothing"
    assert outcome.statuses[0], "no request was ever cut off: the kills hit nothing"
    assert outcome.repeated, "no message was ever repeated: the receipts were not tried"


def test_without_leases_letters_are_lost(folder):
    outcome = campaign.run(folder, campaign.CONTROL, events=2500, accounts=300, careless="leases")

    print(f"\nseed {outcome.seed}, claims count as done: {outcome.sentence}")
    assert outcome.report.lost["letters received"]


def test_without_receipts_counters_are_doubled(folder):
    outcome = campaign.run(folder, campaign.CONTROL, events=2500, accounts=300, careless="receipts")

    print(f"\nseed {outcome.seed}, every message counts as new: {outcome.sentence}")
    assert outcome.report.doubled["events counted"]
    assert not outcome.report.lost, str(outcome.report)
