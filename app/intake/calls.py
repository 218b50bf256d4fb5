"""What each kind of call of a tracking library says about users, accounts and what they did; see docs/segment.md."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson
from pydantic_core import PydanticCustomError

from app.domain.messages import AccountMessage, EventMessage, Message, UnlinkMessage, UserMessage
from app.intake import items
from app.intake.reading import BadMessage

Object = dict[str, Any]

_NOTHING: Final[Object] = {}


@dataclass(slots=True)  # freezing would cost more than reading
class Said:
    """What every kind of event may say."""

    item: Object
    at: datetime
    user: str | None
    group: str | None  # the account the context names
    about_user: Object  # the traits in the context


def id_of(holder: Object, name: str, where: str = "#") -> str | None:
    """An id, or None; refused when it cannot be one."""
    value = holder.get(name)
    if value is None:
        return None
    try:
        return items.external_id(value)
    except PydanticCustomError as error:
        raise BadMessage(error.message(), code=error.type, pointer=f"{where}/{name}") from None


def object_of(holder: Object, name: str, where: str = "#") -> Object:
    """An object; absent, null, and the empty list that PHP writes for an empty object, are empty ones."""
    value = holder.get(name)
    if type(value) is dict:
        return value
    if value is None or value == []:
        return _NOTHING
    raise BadMessage(f"{name} is an object.", pointer=f"{where}/{name}")


def _few(traits: Object) -> Object:
    if len(traits) > items.MOST_TRAITS:
        raise BadMessage(f"A message carries at most {items.MOST_TRAITS} traits.", code="too_many_traits")
    return traits


def _name(value: Any, pointer: str) -> str:
    try:
        return items.event_name(value)
    except PydanticCustomError as error:
        raise BadMessage(error.message(), code=error.type, pointer=pointer) from None


def _check_somebody(said: Said) -> None:
    if said.user is None and said.item.get("anonymousId") is None:
        raise BadMessage("An event needs a userId or an anonymousId.", code="missing_subject")


def _identify(said: Said) -> tuple[Message, ...]:
    """A user, and with `traits.company` or `context.groupId` an account of theirs."""
    _check_somebody(said)
    traits = object_of(said.item, "traits")
    if said.about_user:
        traits = {**said.about_user, **traits}
    company = traits.get("company")
    account = id_of(company, "id", "#/traits/company") if type(company) is dict else None
    if account is None:
        return _user(said, traits, said.group)
    assert type(company) is dict  # noqa: S101 - for the type checker
    if company.get("remove") is True:
        gone = () if said.user is None else (UnlinkMessage(said.at, account, said.user),)
        return (*_user(said, traits, said.group), *gone)
    about = _few({name: value for name, value in company.items() if name not in {"id", "remove"}})
    return (
        *_user(said, traits, said.group, account),
        *((AccountMessage(said.at, account, about),) if about else ()),
    )


def _user(said: Said, traits: Object, *accounts: str | None) -> tuple[Message, ...]:
    """The user with their traits; a company known by an id is an account, not a trait."""
    if said.user is None:
        return ()
    company = traits.get("company")
    if type(company) is dict and company.get("id") is not None:
        traits = {name: value for name, value in traits.items() if name != "company"}
    named = tuple(account for account in accounts if account is not None)
    return (UserMessage(said.at, said.user, named, _few(traits)),)


def _group(said: Said) -> tuple[Message, ...]:
    """An account, and the user as one of its people."""
    account = id_of(said.item, "groupId")
    if account is None:
        raise BadMessage("A group call needs a groupId.", code="missing_field", pointer="#/groupId")
    about = AccountMessage(said.at, account, _few(object_of(said.item, "traits")))
    return (about, *_user(said, said.about_user, account))


def _event(said: Said, name: str, properties: Object) -> tuple[Message, ...]:
    _check_somebody_or_account(said)
    if said.user is None and said.group is None:
        return ()
    event = EventMessage(
        said.at, name, said.group, said.user, orjson.dumps(properties), usual_account=said.group is None
    )
    return (event, *_user(said, said.about_user)) if said.about_user else (event,)


def _check_somebody_or_account(said: Said) -> None:
    if said.group is None:
        _check_somebody(said)


def _track(said: Said) -> tuple[Message, ...]:
    """Something happened."""
    return _event(said, _name(said.item.get("event"), "#/event"), object_of(said.item, "properties"))


def _visit(said: Said, verb: str, what: str) -> tuple[Message, ...]:
    """A page or screen, under the name Segment's libraries give to it where a tool knows only events."""
    named = {name: said.item[name] for name in ("category", "name") if said.item.get(name) is not None}
    words = [_name(value, f"#/{name}") for name, value in named.items()]
    title = _name(f"Viewed {' '.join(words)} {what}", "#/name") if words else f"{verb} a {what}"
    return _event(said, title, {**named, **object_of(said.item, "properties")})


def _page(said: Said) -> tuple[Message, ...]:
    return _visit(said, "Loaded", "Page")


def _screen(said: Said) -> tuple[Message, ...]:
    return _visit(said, "Loaded", "Screen")


def _alias(said: Said) -> tuple[Message, ...]:
    """Nothing: two ids stay two users here, as nobody could take the merging back."""
    if id_of(said.item, "previousId") is None:
        raise BadMessage("An alias call needs a previousId.", code="missing_field", pointer="#/previousId")
    return ()


KINDS: Final[Mapping[str, Callable[[Said], tuple[Message, ...]]]] = {
    "identify": _identify,
    "group": _group,
    "track": _track,
    "page": _page,
    "screen": _screen,
    "alias": _alias,
}
