"""Who holds a key role when a trait speaks and people choose."""

from uuid import UUID

import pytest

from app.domain.roles import Standing, decide, is_news, name_of, slug_of

DANA, ELI, ACME = UUID(int=1), UUID(int=2), UUID(int=9)


def standing(value=None, named=None, holder=None, source=None, **more):
    return Standing(ACME, "csm", value, named, more.pop("left", False), holder, source, **more)


@pytest.mark.parametrize(
    ("one", "holder", "chosen", "problem"),
    [
        pytest.param(standing("dana", DANA), DANA, False, None, id="the trait names somebody"),
        pytest.param(standing("dana", DANA, ELI, "trait", known=True), DANA, False, None, id="it names another"),
        pytest.param(standing("who?", None, ELI, "trait"), ELI, False, "unknown_member", id="it names nobody known"),
        pytest.param(
            standing("dana", None, left=True), None, False, "member_deactivated", id="it names somebody who left"
        ),
        pytest.param(standing(None, None, ELI, "trait", known=True), None, False, None, id="it is cleared"),
        pytest.param(
            standing("dana", DANA, ELI, "manual"),
            ELI,
            True,
            None,
            id="a choice from before the trait was mapped stands",
        ),
        pytest.param(
            standing("dana", DANA, ELI, "manual", known=True, chosen=True, chosen_with="dana"),
            ELI,
            True,
            None,
            id="a choice stands while the trait says the same",
        ),
        pytest.param(
            standing("dana", DANA, ELI, "manual", known=True, chosen=True, chosen_with="fay"),
            DANA,
            False,
            None,
            id="a changed value beats a choice",
        ),
        pytest.param(
            standing("dana", DANA, ELI, "manual", known=True, chosen=True, chosen_with=None),
            DANA,
            False,
            None,
            id="a first value beats a choice",
        ),
        pytest.param(
            standing("who?", None, ELI, "manual", known=True, chosen=True, chosen_with="fay"),
            ELI,
            True,
            "unknown_member",
            id="a changed value that names nobody leaves the choice",
        ),
        pytest.param(
            standing(None, None, ELI, "manual", known=True, chosen=True, chosen_with="fay"),
            ELI,
            True,
            None,
            id="a cleared trait leaves the choice",
        ),
        pytest.param(
            standing("dana", DANA, None, None, known=True, chosen=True, chosen_with="dana"),
            None,
            True,
            None,
            id="that nobody holds the role is a choice too",
        ),
    ],
)
def test_who_holds_it(one, holder, chosen, problem):
    decision = decide(one)

    assert (decision.holder, decision.chosen, decision.problem) == (holder, chosen, problem)


def test_what_is_remembered_is_written_once():
    first = standing("dana", DANA)
    again = standing("dana", DANA, DANA, "trait", known=True, known_value="dana")

    assert is_news(first, decide(first))
    assert not is_news(again, decide(again))


@pytest.mark.parametrize(
    ("name", "slug"),
    [("csm", "csm"), ("accountExecutive", "account_executive"), ("account_executive", "account_executive"),
     ("Janitor", None), ("", None), ("a" * 51, None), ("x\n", None)],
)  # fmt: skip
def test_names(name, slug):
    assert slug_of(name) == slug


def test_the_wire_keeps_the_name_it_always_had():
    assert [name_of("account_executive"), name_of("csm")] == ["accountExecutive", "csm"]
