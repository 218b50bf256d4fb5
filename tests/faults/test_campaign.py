"""Nothing acknowledged is lost and nothing happens twice while everything is killed; and that test can fail."""

import pytest

from tests.faults import campaign

pytestmark = pytest.mark.faults


@pytest.fixture
def folder():
    with campaign.place() as place:
        yield place / "world"


@pytest.fixture
def tell(capsys):
    """Says what was done and what came of it, also when all is well."""

    def say(outcome, *, without="nothing removed"):
        with capsys.disabled():
            print(f"\nseed {outcome.seed}, {without}: {outcome.sentence}")

    return say


def test_nothing_is_lost_or_doubled_while_processes_redis_and_postgres_die(folder, tell):
    outcome = campaign.run(folder, campaign.MAIN)

    tell(outcome)
    assert outcome.report.faultless, str(outcome.report)
    assert outcome.acknowledged == 5000
    assert outcome.blows == {
        "kill": campaign.MAIN.kills,
        "flush": campaign.MAIN.flushes,
        "valkey": campaign.MAIN.valkey_restarts,
        "postgres": campaign.MAIN.postgres_crashes,
    }
    assert outcome.report.resent, "no letter was ever sent twice: the kills hit nothing"
    assert outcome.statuses[0] + outcome.statuses[503], "no request was ever cut off or refused"
    assert outcome.repeated, "no message was ever repeated: the receipts were not tried"


def test_without_leases_letters_are_lost(folder, tell):
    events, accounts = campaign.MANY_LETTERS
    outcome = campaign.run(folder, campaign.CONTROL, events=events, accounts=accounts, careless="leases")

    tell(outcome, without="claims count as done")
    assert outcome.report.lost["letters received"]


def test_without_receipts_counters_are_doubled(folder, tell):
    outcome = campaign.run(folder, campaign.CONTROL, events=2500, accounts=300, careless="receipts")

    tell(outcome, without="every message counts as new")
    assert outcome.report.doubled["events counted"]
    assert not outcome.report.lost, str(outcome.report)
