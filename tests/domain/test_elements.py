"""What may be counted as an element, and what decides whether an instance is there."""

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.elements import Definition, Role, Sighting, Step, UnusableElement, read
from app.domain.slugs import slug_of

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
CREATE, UPDATE, DISABLE = Role.CREATE, Role.UPDATE, Role.DISABLE


def seen(*events):
    """A sighting of (role, hours ago)."""
    found = Sighting()
    for role, hours in events:
        found.see(role, NOW - timedelta(hours=hours))
    return found


@pytest.mark.parametrize(
    ("events", "enabled"),
    [
        ([], False),
        ([(CREATE, 1)], True),
        ([(UPDATE, 1)], False),
        ([(DISABLE, 1)], False),
        ([(CREATE, 2), (DISABLE, 1)], False),
        ([(DISABLE, 1), (CREATE, 2)], False),
        ([(DISABLE, 2), (CREATE, 1)], True),
        ([(CREATE, 1), (DISABLE, 1)], False),
        ([(CREATE, 3), (DISABLE, 2), (UPDATE, 1)], False),
        ([(CREATE, 3), (DISABLE, 2), (CREATE, 1)], True),
    ],
)
def test_the_latest_of_creation_and_disabling_decides_and_disabling_wins_a_tie(events, enabled):
    assert seen(*events).enabled is enabled


def test_an_update_moves_the_last_date_only():
    found = seen((CREATE, 3), (UPDATE, 1), (DISABLE, 0))

    assert (found.first_at, found.last_at) == (NOW - timedelta(hours=3), NOW - timedelta(hours=1))


def test_a_definition_names_its_events_and_what_tells_instances_apart():
    written = {"create": {"event": "Added", "where": {"property": "kind", "op": "isSet"}}, "instanceProperty": "id"}

    found = read(written)

    assert found == Definition({CREATE: Step("Added", {"property": "kind", "op": "isSet"})}, "id")
    assert found.measured == []
    assert read({"create": {"event": "Added"}, "disable": {"event": "Gone"}}).measured == [
        ("Added", None),
        ("Gone", None),
    ]


@pytest.mark.parametrize(
    ("written", "pointer"),
    [
        ({"create": {"event": ""}}, "#/create/event"),
        ({"create": {"event": "A\0"}}, "#/create/event"),
        ({"create": {"event": "A"}, "update": {"event": "x" * 257}}, "#/update/event"),
        ({"create": {"event": "A"}, "instanceProperty": "\ud800"}, "#/instanceProperty"),
        ({"create": {"event": "A"}, "disable": {"event": "A"}}, "#/disable"),
    ],
)
def test_what_cannot_be_counted_is_refused_where_it_is_wrong(written, pointer):
    with pytest.raises(UnusableElement) as refused:
        read(written)

    assert refused.value.context["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Integrations", "integrations"),
        ("SSO & SCIM (beta)", "sso_scim_beta"),
        ("Größe", "groe"),
        ("2nd dashboard", "element_2nd_dashboard"),
        ("数据", "element"),
        ("x" * 60, "x" * 40),
    ],
)
def test_a_name_makes_a_slug(name, slug):
    assert slug_of(name, "element") == slug
