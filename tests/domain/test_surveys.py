"""Whether somebody may be asked now, which questions and answers fit, and what a link says."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import survey_links
from app.domain.asking import Display, Person, Reason, may_ask, months_after
from app.domain.survey_links import Pass
from app.domain.surveys import (
    InvalidAnswer,
    InvalidQuestion,
    InvalidSurveyLink,
    Question,
    check_answers,
    check_questions,
)

NOW = datetime(2026, 5, 31, 12, tzinfo=UTC)


def days(*ago):
    return [(NOW - timedelta(days=n)).date() for n in ago]


def ago(number):
    return NOW - timedelta(days=number)


OLD = {"joined_at": ago(400), "sessions": 50}


@pytest.mark.parametrize(
    ("display", "person", "reason", "since"),
    [
        ({}, OLD, "due", None),
        ({}, {"joined_at": None, "sessions": 0}, "due", None),
        ({"minimum_age_days": 30}, {**OLD, "joined_at": ago(30)}, "due", None),
        ({"minimum_age_days": 30}, {**OLD, "joined_at": ago(29)}, "too_young", NOW + timedelta(days=1)),
        ({"minimum_age_days": 30}, {**OLD, "joined_at": None}, "too_young", None),
        ({"minimum_sessions": 5}, {**OLD, "sessions": 5}, "due", None),
        ({"minimum_sessions": 5}, {**OLD, "sessions": 4}, "too_few_sessions", None),
        ({"gated": True}, OLD, "not_enrolled", None),
        ({"gated": True}, {**OLD, "enrolled": True}, "due", None),
        ({"again_months": 3}, {**OLD, "answered_at": ago(10)}, "answered", months_after(ago(10), 3)),
        ({"again_months": 3}, {**OLD, "answered_at": ago(120)}, "due", None),
        ({"again_months": 0}, {**OLD, "answered_at": ago(0)}, "due", None),
        ({"again_months": None}, {**OLD, "answered_at": ago(390)}, "answered", None),
        ({"again_months": 3}, {**OLD, "dismissed_at": ago(10)}, "dismissed", months_after(ago(10), 3)),
        # The later of the two decides.
        ({}, {**OLD, "answered_at": ago(200), "dismissed_at": ago(9)}, "dismissed", months_after(ago(9), 3)),
        ({}, {**OLD, "answered_at": ago(9), "dismissed_at": ago(200)}, "answered", months_after(ago(9), 3)),
        # Shown in as many sessions as it may be: the one under way is not over.
        ({"most_sessions": 2}, {**OLD, "shown": days(1)}, "due", None),
        ({"most_sessions": 2}, {**OLD, "shown": days(1, 0)}, "due", None),
        ({"most_sessions": 2}, {**OLD, "shown": days(2, 1)}, "shown_enough", datetime(2026, 8, 31, tzinfo=UTC)),
        ({"most_sessions": 2}, {**OLD, "shown": days(5, 3)}, "shown_enough", datetime(2026, 8, 29, tzinfo=UTC)),
        ({"most_sessions": 2}, {**OLD, "shown": days(2, 2, 2)}, "due", None),
        ({"most_sessions": None}, {**OLD, "shown": days(*range(1, 90))}, "due", None),
        ({"most_sessions": 1, "again_months": None}, {**OLD, "shown": days(300)}, "shown_enough", None),
        # Months later another round begins.
        ({"most_sessions": 2}, {**OLD, "shown": days(200, 199)}, "due", None),
        ({"most_sessions": 2}, {**OLD, "shown": days(200, 199, 1)}, "due", None),
        (
            {"most_sessions": 2},
            {**OLD, "shown": days(200, 199, 2, 1)},
            "shown_enough",
            datetime(2026, 8, 31, tzinfo=UTC),
        ),
        # Days up to an answer belong to the round it ended.
        ({"most_sessions": 2}, {**OLD, "answered_at": ago(150), "shown": days(151, 150)}, "due", None),
        ({"most_sessions": 2}, {**OLD, "answered_at": ago(150), "shown": days(150, 1)}, "due", None),
    ],
)
def test_somebody_is_asked_by_the_rules(display, person, reason, since):
    found = may_ask(Display(**display), Person(**person), now=NOW)

    assert (found.reason.value, found.since) == (reason, since)
    assert found.ask is (reason == "due")


@given(
    st.integers(0, 60),
    st.integers(0, 10),
    st.none() | st.integers(1, 4),
    st.none() | st.integers(0, 6),
    st.lists(st.integers(1, 400), max_size=12),  # whom it is shown today although they are not to be asked rests longer
    st.none() | st.integers(0, 400),
    st.none() | st.integers(0, 400),
)
def test_who_is_told_from_when_is_not_asked_before_and_no_longer_for_that_reason_then(
    age, sessions, most, months, shown, answered, dismissed
):
    display = Display(age, 3, most, months)
    person = Person(
        ago(20),
        sessions,
        None if answered is None else ago(answered),
        None if dismissed is None else ago(dismissed),
        days(*shown),
    )
    found = may_ask(display, person, now=NOW)

    assert found.since is None or found.since > NOW
    if found.since is not None:
        assert may_ask(display, person, now=found.since - timedelta(seconds=1)).reason is found.reason
        assert may_ask(display, person, now=found.since).reason is not found.reason
    if found.ask:
        assert person.sessions >= 3


@pytest.mark.parametrize(
    ("at", "months", "expected"),
    [
        ("2026-01-31", 1, "2026-02-28"),
        ("2024-01-31", 1, "2024-02-29"),
        ("2026-08-31", 6, "2027-02-28"),
        ("2026-12-15", 1, "2027-01-15"),
        ("2026-11-30", 1, "2026-12-30"),
        ("2026-05-05", 0, "2026-05-05"),
        ("9999-12-31", 120, "9999-12-31"),
    ],
)
def test_months_later_is_the_same_day_or_the_months_last(at, months, expected):
    assert str(months_after(datetime.fromisoformat(at).replace(tzinfo=UTC), months).date()) == expected


ONE = Question("goal", "Goal", "choice", ("a", "b"))
MANY = Question("goals", "Goals", "choice", ("a", "b"), several=True, required=True)
WORDS = Question("why", "Why", "text")
DAY = Question("by", "By", "date")
COUNT = Question("seats", "Seats", "number", required=True)


@pytest.mark.parametrize(
    "questions",
    [
        [Question("Goal", "x", "text")],
        [Question("", "x", "text")],
        [WORDS, WORDS],
        [Question("goal", "x", "choice")],
        [Question("goal", "x", "choice", ("a", "a"))],
        [Question("goal", "x", "text", ("a",))],
        [Question("goal", "x", "text", several=True)],
        [Question(f"k{n}", "x", "text") for n in range(51)],
    ],
)
def test_questions_that_cannot_be_asked(questions):
    with pytest.raises(InvalidQuestion):
        check_questions(questions)


@pytest.mark.parametrize(
    ("question", "good", "bad"),
    [
        (ONE, ["a", "b", None], ["c", "", ["a"], 1, True, {}]),
        (MANY, ["a", ["a"], ["a", "b"]], [["c"], ["a", "a"], [1], {}, "c"]),
        (WORDS, ["", "x" * 5000, None], ["x" * 5001, 1, [], {}]),
        (DAY, ["2026-01-31", None], ["2026-02-30", "31.01.2026", "2026-01-31T00:00:00Z", "20260131", 20260131, ""]),
        (COUNT, [0, -3, 1.5, 1e15], [1e300, float("nan"), float("inf"), "3", True, [], 10**16]),
    ],
)
def test_answers_fit_their_questions_or_do_not(question, good, bad):
    for value in good:
        check_answers([question], {question.key: value}, whole=False)
    for value in bad:
        with pytest.raises(InvalidAnswer):
            check_answers([question], {question.key: value}, whole=False)


@pytest.mark.parametrize("answers", [{}, {"goals": []}, {"goals": ["a"]}, {"goals": None, "seats": 1}, {"other": 1}])
def test_what_is_required_must_be_said_and_nothing_else_can_be(answers):
    with pytest.raises(InvalidAnswer):
        check_answers([MANY, COUNT], answers)
    check_answers([MANY, COUNT], {"goals": "a", "seats": 0})


KEY = survey_links.key("a master key")
PASS = Pass(UUID(int=1), UUID(int=2), UUID(int=3), datetime(2026, 6, 30, tzinfo=UTC))


def test_a_link_says_what_was_written_until_its_time_is_over():
    token = survey_links.write(PASS, key=KEY)

    assert survey_links.read(token, key=KEY, now=NOW) == PASS
    assert survey_links.read(token, key=KEY, now=PASS.expires_at - timedelta(seconds=1)) == PASS
    with pytest.raises(InvalidSurveyLink, match="time is over"):
        survey_links.read(token, key=KEY, now=PASS.expires_at)
    assert token.isascii()
    assert len(token) < 120


def test_a_link_of_another_key_opens_nothing():
    with pytest.raises(InvalidSurveyLink):
        survey_links.read(survey_links.write(PASS, key=survey_links.key("other")), key=KEY, now=NOW)


@given(st.data())
def test_no_character_of_a_link_can_be_changed_added_or_left_out(data):
    token = survey_links.write(PASS, key=KEY)
    place = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.sampled_from("ABab01-_=. \n\u0660\u00e9\0"))
    changed = data.draw(
        st.sampled_from(
            [
                token[:place] + letter + token[place + 1 :],
                token[:place] + letter + token[place:],
                token[:place] + token[place + 1 :],
                token + letter,
            ]
        )
    )

    if changed != token:
        with pytest.raises(InvalidSurveyLink):
            survey_links.read(changed, key=KEY, now=NOW)


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: raw.decode("latin-1")))
def test_no_text_at_all_is_mistaken_for_a_link(text):
    with pytest.raises(InvalidSurveyLink):
        survey_links.read(text, key=KEY, now=NOW)


def test_reasons_are_words_of_the_wire():
    assert {reason.value for reason in Reason} >= {"due", "answered", "dismissed", "shown_enough"}
    assert date(2026, 5, 31) == NOW.date()
