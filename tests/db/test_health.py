"""Health as PostgreSQL answers it, for evaluations and previews, is what a plain reckoning of every record gives."""

from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.db import health_previews
from app.db.health_previews import Question
from app.domain.fields import Subject
from app.domain.filters import holds
from app.domain.health import Score, UnusableHealthScore
from app.domain.health_rules import read
from app.domain.ids import new_id, show
from app.services import health
from tests.db import worlds
from tests.domain import trees
from tests.domain.trees import NOWS

WORLD = worlds.draw(11)
SUBJECTS = (Subject.ACCOUNTS, Subject.ORGANIZATIONS)
WEIGHTS = [0, 0.5, 1, 2, 3.125]
POINTS = {"poor": 0, "concerning": 5, "healthy": 10}
SEGMENTS = trees.IDS["seg"]


@pytest.fixture(scope="session")
async def populated(database):
    """A workspace that holds the world."""
    workspace_id = new_id()
    async with database.transaction(workspace_id) as db:
        await db.execute(
            text("insert into workspaces (id, slug, name) values (:id, :slug, 'Health')"),
            {"id": workspace_id, "slug": f"t-{workspace_id.hex}"},
        )
        await worlds.store(db, workspace_id, WORLD)
    return workspace_id


def usable(subject):
    def allowed(source):
        try:
            read({"weight": 1, "conditions": [{"poor": source}]}, subject)
        except UnusableHealthScore:
            return False
        return True

    return allowed


def filters(subject):
    simple = trees.conditions(subject, 1).filter(usable(subject))
    return st.one_of(
        simple,
        st.builds(lambda part: {"not": part}, simple),
        st.builds(lambda parts: {"all": parts}, st.lists(simple, min_size=1, max_size=2)),
        st.builds(lambda parts: {"any": parts}, st.lists(simple, min_size=1, max_size=2)),
    )


def conditions(subject):
    lines = st.dictionaries(st.sampled_from(list(POINTS)), filters(subject), min_size=1)
    return st.lists(lines, max_size=3)


@st.composite
def rules(pick, subject):
    variants = [
        {
            "segment": show("seg", one),
            **({"weight": pick(st.sampled_from(WEIGHTS))} if pick(st.booleans()) else {}),
            **({"conditions": pick(conditions(subject))} if pick(st.booleans()) else {}),
        }
        for one in pick(st.lists(st.sampled_from(SEGMENTS), unique=True, max_size=2))
    ]
    found = {"weight": pick(st.sampled_from(WEIGHTS)), "conditions": pick(conditions(subject)), "variants": variants}
    assume(found["conditions"] or any(one.get("conditions") for one in variants))
    return found


ASKED = st.sampled_from(SUBJECTS).flatmap(
    lambda subject: st.tuples(st.just(subject), st.lists(rules(subject), min_size=1, max_size=3))
)


def half_up(value):
    """To two decimals, exactly."""
    cents = value * 100
    return Fraction(int(cents + Fraction(1, 2)), 100)


def reckon(written, subject, told, now):
    """What a score comes to, and its weight, by the words of the manual."""
    part = next((one for one in written["variants"] if one["segment"] in shown_segments(told)), {})
    weight = Fraction(str(part.get("weight", written["weight"])))
    lines = part.get("conditions", written["conditions"])
    understood = read({"weight": 1, "conditions": lines}, subject).parts[-1].conditions if lines else ()
    points = []
    for line in understood:
        found = [POINTS[state.value] for state, tree in line.trees.items() if holds(tree, told, now)]
        points += [min(found)] if found else []
    return (half_up(Fraction(sum(points), len(points))) if points else None), weight


def shown_segments(told):
    return {show("seg", one) for one in told["segments"] or ()}


def average(weighed):
    having = [(value, weight) for value, weight in weighed if value is not None]
    total = sum(weight for _, weight in having)
    return half_up(sum(value * weight for value, weight in having) / total) if total else None


def called(value):
    if value is None:
        return None
    return "healthy" if value >= Fraction("6.67") else "concerning" if value >= Fraction("3.33") else "poor"


def exact(value):
    return None if value is None else Fraction(value)


def scores(subject, written, slugs=("one", "two", "three")):
    return [Score(new_id(), slug, slug, 1, read(one, subject).parts) for slug, one in zip(slugs, written, strict=False)]


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(asked=ASKED, now=st.sampled_from(NOWS))
async def test_every_record_has_the_health_a_plain_reckoning_gives(database, populated, asked, now):
    subject, written = asked
    told = WORLD.facts[subject]

    async with database.transaction(populated) as db:
        found = await health.weigh(db, populated, subject, list(told), scores(subject, written), now=now)

    assert found
    for one in found:
        wanted = [reckon(source, subject, told[one.standing.id], now) for source in written]
        assert [(exact(result.value), exact(result.part.weight)) for result in one.results] == wanted
        assert exact(health.overall(one.results)) == average(wanted)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(asked=ASKED, now=st.sampled_from(NOWS), replaces=st.booleans())
async def test_a_preview_counts_what_a_plain_reckoning_gives(database, populated, asked, now, replaces):
    """The other scores count with what is stored of them, which the world has under these two slugs."""
    subject, (tried, *others) = asked
    told = WORLD.facts[subject]
    slugs = ["seats"] if replaces else ["reports", "seats"]
    others = others[: len(slugs)]
    question = Question(
        subject, read(tried, subject).parts, "reports" if replaces else None, scores(subject, others, slugs), 100
    )

    async with database.transaction(populated) as db:
        found = await health_previews.ask(db, populated, question, now=now)

    wanted = {}
    for record_id, facts in told.items():
        after, weight = reckon(tried, subject, facts, now)
        kept = [
            (exact(facts.get(f"healthScores.{slug}")), reckon(source, subject, facts, now)[1])
            for slug, source in zip(slugs, others, strict=False)
        ]
        before = exact(facts.get("healthScores.reports")) if replaces else None
        wanted[record_id] = (before, after, exact(facts.get("health")), average([*kept, (after, weight)]))
    for ix, tally in enumerate(found.tallies):
        assert tally.labels == Counter(called(values[ix]) for values in wanted.values())
        assert exact(tally.total) == sum(values[ix] or 0 for values in wanted.values())
    moving = {
        record_id: values
        for record_id, values in wanted.items()
        if called(values[0]) != called(values[1]) or called(values[2]) != called(values[3])
    }
    assert {id_: tuple(exact(value) for value in values) for id_, values in found.examples} == moving
    assert (found.looked_at, found.changed) == (len(told), len(moving))
