"""What a filter means, said once more and as plainly as possible: straight from its JSON, after docs/filters.md.

It shares nothing with the language's own code but the catalogue and how texts are read as instants.
"""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext

from app.domain.fields import Subject, find
from app.domain.filters.values import instant_of

TARGETS = {"users": Subject.USERS, "accounts": Subject.ACCOUNTS}
OPPOSITES = {"isNot": "is", "isNoneOf": "isAnyOf", "doesNotContain": "contains", "isNotSet": "isSet"}


def means(source, subject, record, now, me=None):
    """Whether the record is meant."""
    if "all" in source:
        return all(means(part, subject, record, now, me) for part in source["all"])
    if "any" in source:
        return any(means(part, subject, record, now, me) for part in source["any"])
    if "not" in source:
        return not means(source["not"], subject, record, now, me)
    if "related" in source:
        return counted(source, record, now, me)
    if "event" in source:
        return happened(source, record, now)
    if source["op"] in OPPOSITES:
        return not means({**source, "op": OPPOSITES[source["op"]]}, subject, record, now, me)
    return satisfied(source, find(source["field"], subject), record, now, me)


def counted(source, record, now, me):
    where = source.get("where") or {"all": []}
    name = source["related"]
    number = sum(means(where, TARGETS[name], one, now, me) for one in record["related"][name])
    return enough(source, number)


def happened(source, record, now):
    today, days = now.astimezone(UTC).date(), source.get("inLastDays")
    seen = record["days"].get(source["event"], [])
    return enough(source, sum(number for day, number in seen if days is None or (today - day).days < days))


def enough(source, number):
    wanted = source.get("count", 0)
    return {"atLeast": number >= wanted, "atMost": number <= wanted}.get(source["op"], number == wanted)


def satisfied(source, fact, record, now, me):
    kind = str(fact.type)
    if fact.key is None:
        value = record.get(fact.path)
    else:
        stored = record["traits"].get(fact.key) if fact.via is None else record.get(fact.path)
        kind = source.get("type") or assumed(source)
        value = read(stored, kind)
    if value is None or (kind in ("multi", "list") and not value):
        return False
    op, operand = source["op"], source.get("value")
    if op == "isSet":
        return True
    if op in ("increasedBy", "decreasedBy"):
        return moved(op, operand, value, record["history"]["mrr"], now)
    return KINDS[kind](op, operand, value, now, me)


def assumed(source):
    """How a trait is read when nobody says so."""
    op, value = source["op"], source.get("value")
    first = value[0] if isinstance(value, list) and value else value
    if op == "isSet":
        return "trait"
    if op in ("isTrue", "isFalse"):
        return "boolean"
    if op == "isAllOf":
        return "list"
    if op in ("before", "after", "on") or "Days" in op:
        return "datetime"
    if op == "between":
        return "datetime" if isinstance(first, str) else "number"
    number = op in ("greaterThan", "atLeast", "lessThan", "atMost") or isinstance(first, int | float)
    return "number" if number else "text"


def read(stored, kind):
    """A trait's value read as a kind; None where it cannot be."""
    match kind:
        case "text":
            return text(stored)
        case "number":
            return number(stored)
        case "datetime":
            return instant_of(stored)
        case "boolean":
            return {"true": True, "false": False}.get(lower(text(stored) or ""))
        case "list":
            items = stored if isinstance(stored, list) else [stored]
            return {item for item in map(entry, items) if item is not None}
        case _:
            return stored


def text(stored):
    if isinstance(stored, bool):
        return str(stored).lower()
    if isinstance(stored, int | float):
        return f"{abs(Decimal(repr(stored))) if stored == 0 else Decimal(repr(stored)):f}"
    return stored if isinstance(stored, str) else None


def number(stored):
    if isinstance(stored, str):
        plain = re.fullmatch(r" *[-+]?[0-9]{1,30}(\.[0-9]{1,30})? *", stored)
        return Decimal(stored.strip(" ")) if plain else None
    return Decimal(repr(stored)) if isinstance(stored, int | float) and not isinstance(stored, bool) else None


def entry(item):
    """One entry of a list, as it is compared: numbers by what they are."""
    if isinstance(item, int | float) and not isinstance(item, bool):
        digits = text(item)
        return digits.rstrip("0").rstrip(".") if "." in digits else digits
    found = text(item)
    return None if found is None else lower(found)


def lower(found):
    return "".join("i" if char == "İ" else char.lower() for char in found)


def texts(op, operand, value, _now, _me):
    value = lower(value)
    match op:
        case "is":
            return value == lower(operand)
        case "isAnyOf":
            return value in map(lower, operand)
        case "contains":
            return lower(operand) in value
        case "startsWith":
            return value.startswith(lower(operand))
        case "endsWith":
            return value.endswith(lower(operand))


def numbers(op, operand, value, _now, _me):
    value = Decimal(value)
    many = [Decimal(repr(one)) for one in (operand if isinstance(operand, list) else [operand])]
    match op:
        case "is" | "isAnyOf":
            return value in many
        case "between":
            return many[0] <= value <= many[1]
        case "greaterThan":
            return value > many[0]
        case "atLeast":
            return value >= many[0]
        case "lessThan":
            return value < many[0]
        case "atMost":
            return value <= many[0]


def whole(day):
    """The first instant of a moment as it is written, and the first after it."""
    begins = datetime.fromisoformat(day)
    if len(day) == 10:
        begins = begins.replace(tzinfo=UTC)
        return begins, begins + timedelta(days=1)
    return begins, begins + timedelta(microseconds=1)


def instants(op, operand, value, now, _me):
    match op:
        case "before":
            return value < whole(operand)[0]
        case "after":
            return value >= whole(operand)[1]
        case "on":
            return whole(operand)[0] <= value < whole(operand)[1]
        case "between":
            return whole(operand[0])[0] <= value < whole(operand[1])[1]
    days = timedelta(days=operand)
    match op:
        case "moreThanDaysAgo":
            return now - value >= days
        case "lessThanDaysAgo" | "inLastDays":
            return timedelta(0) <= now - value < days
        case "moreThanDaysFromNow":
            return value - now > days
        case "lessThanDaysFromNow" | "inNextDays":
            return timedelta(0) < value - now <= days


def booleans(op, _operand, value, _now, _me):
    return value is (op == "isTrue")


def choices(op, operand, value, _now, _me):
    return value in (operand if op == "isAnyOf" else [operand])


def wire(one):
    """The id behind `mem_…`, in digits."""
    return one.split("_")[1]


def references(op, operand, value, _now, me):
    if op == "isMe":
        return value == me
    return value.hex in map(wire, operand if op == "isAnyOf" else [operand])


def sets(op, operand, value, _now, me):
    if op == "isMe":
        return me in value
    held, wanted = {one.hex for one in value}, set(map(wire, operand))
    return wanted <= held if op == "isAllOf" else bool(wanted & held)


def lists(op, operand, value, _now, _me):
    wanted = set(map(entry, operand))
    return wanted <= value if op == "isAllOf" else bool(wanted & value)


def moved(op, operand, value, history, now):
    past = sorted(history)
    if not past:
        return False
    was = next((was for at, was in reversed(past) if at <= now - timedelta(days=operand["days"])), past[0][1])
    if was is None:
        return False
    with localcontext(prec=200):
        change = (value - was) if op == "increasedBy" else (was - value)
        by = Decimal(repr(operand["by"]))
        return was > 0 and change * 100 >= was * by if operand["unit"] == "percent" else change >= by


KINDS = {
    "text": texts,
    "number": numbers,
    "datetime": instants,
    "boolean": booleans,
    "select": choices,
    "person": references,
    "id": references,
    "multi": sets,
    "list": lists,
}
