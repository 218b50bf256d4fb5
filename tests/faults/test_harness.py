"""The campaign's own parts: a seed means one schedule and one script, and the checker sees what is missing or extra."""

from datetime import UTC, datetime

from tests.faults import campaign, nemesis, script
from tests.faults.checker import Report, invariants
from tests.faults.oracle import foretell

BEGAN = datetime(2026, 3, 1, tzinfo=UTC)


def test_a_seed_is_one_schedule():
    assert nemesis.schedule(1, campaign.MAIN) == nemesis.schedule(1, campaign.MAIN)
    assert nemesis.schedule(1, campaign.MAIN) != nemesis.schedule(2, campaign.MAIN)


def test_a_schedule_has_all_its_blows_in_time_and_order():
    blows = nemesis.schedule(3, campaign.MAIN)
    assert [blow.at for blow in blows] == sorted(blow.at for blow in blows)
    assert 0 < blows[0].at < blows[-1].at < campaign.MAIN.seconds
    assert sum(blow.what == "kill" for blow in blows) == campaign.MAIN.kills


def test_a_seed_is_one_script():
    assert script.write(5, events=200, accounts=20, began=BEGAN) == script.write(
        5, events=200, accounts=20, began=BEGAN
    )


def test_a_script_has_all_its_events_and_repeats_some_messages():
    told = script.write(5, events=500, accounts=50, began=BEGAN)
    sent = [(batch.workspace, message["messageId"]) for batch in told.batches for message in batch.messages]
    assert sum(message["type"] == "event" for message in told.messages.values()) == 500
    assert set(sent) == set(told.messages)
    assert len(sent) > len(told.messages)


def test_the_order_of_messages_foretells_nothing():
    told = script.write(6, events=300, accounts=30, began=BEGAN)
    backwards = dict(reversed(told.messages.items()))
    assert foretell(told.messages) == foretell(backwards)


def test_what_is_missing_is_lost_and_what_is_there_twice_is_doubled():
    report = Report()
    report.compare("things", {1, 2, 3}, [1, 1, 3, 4])
    assert report.lost == {"things": [2]}
    assert sorted(report.doubled["things"]) == [1, 4]


def test_a_counter_can_be_too_low_or_too_high():
    report = Report()
    report.tally("counts", {"a": 2, "b": 2, "c": 1}, {"a": 1, "b": 3, "d": 1})
    assert sorted(report.lost["counts"]) == [("a", 2, 1), ("c", 1, 0)]
    assert sorted(report.doubled["counts"]) == [("b", 2, 3), ("d", 0, 1)]


async def test_every_invariant_can_be_asked_and_holds_when_nothing_is_there(database):
    async with database.engine.connect() as connection:
        for sentence, query in invariants():
            await connection.exec_driver_sql(f"select 1 from ({query}) as broken limit 1")
            assert sentence
