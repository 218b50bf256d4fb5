"""Filters of every kind, for hypothesis: over each catalogue, with groups and conditions on related records."""

from datetime import timedelta

from hypothesis import strategies as st

from app.domain.fields import (
    CATALOGUES,
    FAMILIES,
    OPERATORS,
    RELATIONS,
    TRAIT_READINGS,
    Op,
    Quantity,
    Subject,
    Type,
    find,
)
from app.domain.fields import EVENTS as COUNTS_OF
from app.domain.filters.reading import DEEPEST
from app.domain.filters.tree import TURNS
from app.domain.ids import new_id, show
from app.domain.operators import BARE, MANY, MOVES
from tests.db.populations import DAYS, INSTANTS, KEYS, MEMBERS, NOW, NUMBERS, TICK, WORDS

TEXTS = [word for word in WORDS if word] + [
    "ac",
    "M",
    "%",
    "_",
    "\\",
    "i",
    "σ",
    "example.COM",
    "true",
    "1.5",
    "-0.0",
    "0.0",
]
FIGURES = [int(n) if n == int(n) else float(n) for n in NUMBERS] + [1.5, 8, 1e22, 1e-7]
DATES = ["2026-03-22", "2026-03-29", "1999-12-31", "0001-01-01"]
MOMENTS = DATES + [at.isoformat() for at in INSTANTS if at]
NOWS = [NOW, NOW + TICK, NOW - TICK, NOW + timedelta(days=7), NOW - timedelta(days=7) + TICK]
IDS = {
    "mem": MEMBERS,
    **{prefix: [new_id() for _ in range(4)] for prefix in ("seg", "grp", "ind")},
    **{prefix: [new_id() for _ in range(40)] for prefix in ("acc", "usr", "org")},
}
EVENTS = ["Login", "Invoice paid", 'an "odd" name']
ROLES = ["csm", "onboarding_lead"]
SLUGS = ["reports", "seats"]
COUNTED = [f"{prefix}{name}" for prefix in COUNTS_OF for name in (*EVENTS, "Never")]
NAMED = [f"{prefix}{slug}" for prefix in FAMILIES for slug in (ROLES if prefix == "keyRoles." else SLUGS)]
COUNTS = [0, 1, 1, 2, 3]
WINDOWS = [None, 1, 2, 7, 30, 31, 400]


def paths(subject):
    """Every field of a subject, traits more often."""
    found = [*CATALOGUES[subject], *(f"traits.{key}" for key in KEYS * 3)]
    if subject is Subject.ACCOUNTS:
        found += [f"organization.traits.{key}" for key in KEYS] + [f"organization.{path}" for path in NAMED]
    return found if subject is Subject.USERS else found + NAMED + COUNTED


def readings(fact):
    """What a fact may be read as."""
    return TRAIT_READINGS if fact.key is not None else (fact.type,)


def operators(fact, reading):
    """What may be asked of it, read so."""
    return OPERATORS[reading] if fact.key is not None else fact.operators


def singles(fact, reading, op):
    """Usable single values for a condition."""
    if op in TURNS:
        return DAYS
    if op in MOVES:
        units = [("percent", 20), ("percent", 0.5), ("number", 7), ("number", 1.5)]
        return [{"by": by, "unit": unit, "days": days} for unit, by in units for days in DAYS]
    if fact.prefix:
        return [show(fact.prefix, id_) for id_ in IDS[fact.prefix]]
    return {
        Type.TEXT: TEXTS,
        Type.MULTI: TEXTS,
        Type.NUMBER: FIGURES,
        Type.LIST: TEXTS + FIGURES,
        Type.DATETIME: DATES if op is Op.ON else MOMENTS,
    }.get(reading) or list(fact.options)


def condition(fact, reading, op, value):
    """A condition as JSON."""
    typed = {"type": str(reading)} if fact.key is not None else {}
    return {"field": fact.path, "op": str(op), "value": value, **typed}


@st.composite
def leaves(pick, subject):
    """Conditions on facts of the subject."""
    fact = find(pick(st.sampled_from(paths(subject))), subject)
    reading = pick(st.sampled_from(readings(fact)))
    op = pick(st.sampled_from(operators(fact, reading)))
    if op in BARE:
        found = condition(fact, reading, op, None)
        if op in (Op.IS_SET, Op.IS_NOT_SET) and pick(st.booleans()):
            found.pop("type", None)
        return found
    one = st.sampled_from(singles(fact, reading, op))
    if op is Op.BETWEEN:
        return condition(fact, reading, op, [pick(one), pick(one)])
    return condition(fact, reading, op, pick(st.lists(one, min_size=1, max_size=4)) if op in MANY else pick(one))


@st.composite
def related(pick, subject, deeper):
    """Conditions on how many related records there are."""
    relation = pick(st.sampled_from(sorted(RELATIONS[subject].values(), key=lambda one: one.name)))
    op = pick(st.sampled_from(Quantity))
    found = {"related": relation.name, "op": str(op)}
    if op is not Quantity.NONE:
        found["count"] = pick(st.sampled_from(COUNTS))
    if pick(st.booleans()):
        found["where"] = pick(trees(relation.target, deeper - 1, most=3))
    return found


@st.composite
def happened(pick):
    """Conditions on how often an event was counted."""
    found = {"event": pick(st.sampled_from([*EVENTS, "Never"])), "op": str(pick(st.sampled_from(Quantity)))}
    if found["op"] != Quantity.NONE:
        found["count"] = pick(st.sampled_from([*COUNTS, 5, 8]))
    if days := pick(st.sampled_from(WINDOWS)):
        found["inLastDays"] = days
    return found


def conditions(subject, deeper=2):
    """Conditions of every kind."""
    kinds = [leaves(subject), leaves(subject)]
    if deeper:
        kinds.append(related(subject, deeper))
    if subject is not Subject.USERS:
        kinds.append(happened())
    return st.one_of(kinds)


def trees(subject, deeper=2, most=8):
    """Filters on a subject; conditions on related records nest as deep as said."""
    return st.recursive(
        conditions(subject, deeper),
        lambda inner: st.one_of(
            st.builds(lambda parts: {"all": parts}, st.lists(inner, max_size=4)),
            st.builds(lambda parts: {"any": parts}, st.lists(inner, max_size=4)),
            st.builds(lambda part: {"not": part}, inner),
        ),
        max_leaves=most,
    )


def deep(source):
    """How deep groups nest."""
    inner = [source.get("not"), source.get("where"), *source.get("all", []), *source.get("any", [])]
    return 1 + max((deep(one) for one in inner if one is not None), default=0)


def understood(subject):
    """Those no deeper than filters may be."""
    return trees(subject).filter(lambda source: deep(source) <= DEEPEST)


SUBJECTS = st.sampled_from(list(Subject))
ASKED = SUBJECTS.flatmap(lambda subject: st.tuples(st.just(subject), understood(subject)))
