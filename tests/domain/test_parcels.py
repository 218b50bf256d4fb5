"""What comes out of a parcel is what was put in, and a parcel that cannot be opened says so."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import parcels
from app.domain.messages import (
    AccountMessage,
    Envelope,
    EventMessage,
    InstanceMessage,
    OrganizationMessage,
    ParentMessage,
    UnlinkMessage,
    UserMessage,
    stamp,
)

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
words = st.text(st.characters(blacklist_categories=["Cs"]), max_size=8)
maybe = st.none() | words
ats = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)).map(lambda at: at.replace(tzinfo=UTC, fold=0))  # noqa: DTZ001
whole = st.integers(-(2**63), 2**63 - 1)
leaves = st.none() | st.booleans() | whole | st.floats(allow_nan=False, allow_infinity=False) | words
values = leaves | st.lists(leaves, max_size=3) | st.dictionaries(words, leaves, max_size=3)
traits = st.dictionaries(words, values, max_size=4)
names = st.lists(words, max_size=3).map(tuple)

messages = st.one_of(
    st.builds(AccountMessage, at=ats, account=words, traits=traits),
    st.builds(UserMessage, at=ats, user=words, accounts=names, traits=traits, organizations=names),
    st.builds(
        EventMessage,
        at=ats,
        name=words,
        account=maybe,
        user=maybe,
        properties=st.binary(max_size=20),  # byte for byte, whatever they are
        organization=maybe,
        usual_account=st.booleans(),
    ),
    st.builds(UnlinkMessage, at=ats, account=words, user=words),
    st.builds(OrganizationMessage, at=ats, organization=words, traits=traits),
    st.builds(ParentMessage, at=ats, account=words, organization=maybe),
    st.builds(
        InstanceMessage,
        at=ats,
        custom_object=words,
        instance=words,
        name=maybe,
        account=maybe,
        organization=maybe,
        traits=traits,
    ),
)
envelopes = st.lists(
    st.builds(
        Envelope, messages=st.lists(messages, min_size=1, max_size=3).map(tuple), message_id=maybe, body_hash=whole
    ),
    max_size=4,
)


@settings(deadline=None)
@given(envelopes)
def test_what_is_packed_comes_out_the_same(some):
    found = parcels.unpack(parcels.pack(some))

    assert found == some
    assert repr(found) == repr(some), "1, 1.0 and True are equal, and not the same"


@settings(max_examples=30, deadline=None)
@given(envelopes, envelopes)
def test_parcels_joined_are_a_parcel(first, second):
    assert parcels.unpack(parcels.pack(first) + parcels.pack(second)) == first + second


@settings(max_examples=50, deadline=None)
@given(traits)
def test_stamps_are_the_same_on_both_sides(told):
    (found,) = parcels.unpack(parcels.pack([Envelope((AccountMessage(NOW, "acme", told),), None, 0)]))

    for key, value in found.messages[0].traits.items():
        assert stamp(NOW, value) == stamp(NOW, told[key])


def test_every_kind_of_message_can_be_packed():
    """A new kind is added at the end of the list in `parcels`, and to the strategies above."""
    from app.domain.messages import Message

    assert set(Message.__args__) == set(parcels._KINDS)
    assert [kind.__name__ for kind in parcels._KINDS][:7] == [
        "AccountMessage",
        "UserMessage",
        "EventMessage",
        "UnlinkMessage",
        "OrganizationMessage",
        "ParentMessage",
        "InstanceMessage",
    ], "their order is stored"


def test_a_parcel_of_an_older_release_is_opened():
    """Bytes as the first release wrote them; a field added since has its default."""
    told = b'[["m-1",7,[2,2,"2026-06-01T12:00:00+00:00","Login",null,"user-1"]],[null,8,[1,"2026-06-01T12:00:00+00:00",'
    told += b'"user-1",["acme"],{"plan":"pro"}]]]'
    frame = b"\x01" + len(told).to_bytes(4) + (2).to_bytes(4) + told + b"{}"

    assert parcels.unpack(frame) == [
        Envelope((EventMessage(NOW, "Login", None, "user-1", b"{}"),), "m-1", 7),
        Envelope((UserMessage(NOW, "user-1", ("acme",), {"plan": "pro"}),), None, 8),
    ]


GOOD = parcels.pack([Envelope((UnlinkMessage(NOW + timedelta(seconds=1), "acme", "user-1"),), None, 0)])


@pytest.mark.parametrize(
    "bad",
    [b"x", GOOD[:-1], b"\x02" + GOOD[1:], GOOD + b"\x01", GOOD.replace(b"2026", b"20x6"), GOOD.replace(b"[3,", b"[9,")],
    ids=["no frame", "cut short", "a later version", "a half frame behind", "no time", "an unknown kind"],
)
def test_what_cannot_be_opened_says_so(bad):
    with pytest.raises(parcels.Unreadable):
        parcels.unpack(bad)
