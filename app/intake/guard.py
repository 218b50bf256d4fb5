"""The one JSON reader: strict about syntax, and about what PostgreSQL or a careful reader cannot take.

What is not JSON, or says one thing twice, is Malformed (400). Values that are too large, too deep, contain NUL or
numbers out of range are Rejected (422). Every message of every batch comes through here: one fast walk asks whether
anything is wrong at all, and only then a slow one finds what and where.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from pydantic_core import from_json, to_json

from app.domain.errors import DomainError, Malformed, Rejected


class MalformedJson(Malformed):
    """The body is not valid JSON."""

    code = "malformed_json"


class InvalidEncoding(Malformed):
    """The body is not valid UTF-8."""

    code = "invalid_encoding"


class DuplicateKey(Malformed):
    """An object in the body has the same key twice."""

    code = "duplicate_key"


class TooDeep(Rejected):
    """The body is nested too deeply."""

    code = "too_deep"


class LimitExceeded(Rejected):
    """A part of the body is larger than allowed."""

    code = "limit_exceeded"


class NulCharacter(Rejected):
    """A text contains the NUL character."""

    code = "nul_character"


class NotFinite(Rejected):
    """A number is too large to be a finite one."""

    code = "not_finite"


class OutOfRange(Rejected):
    """An integer does not fit in 64 bits."""

    code = "out_of_range"


@dataclass(frozen=True, slots=True)
class Limits:
    """How large the parts of a body may be; sizes in bytes of UTF-8."""

    depth: int = 16
    keys: int = 500
    key_bytes: int = 256
    text_bytes: int = 8 * 1024


LIMITS: Final = Limits()

_INT64: Final = 2**63
_NUL: Final = "\0"
_ABSURD: Final = 1000
_SHORT_KEY: Final = 64  # characters that cannot pass 256 bytes
_SHORT_TEXT: Final = 2048  # characters that cannot pass 8 KiB
_ESCAPED_NUL: Final = b"\\u0000"
_SPACED_COLONS: Final = (b" :", b"\n:", b"\t:", b"\r:")


def parse(body: bytes, limits: Limits = LIMITS) -> Any:
    """The value in `body`, or the reason it is refused: a Malformed (400) or Rejected (422)."""
    value, fault = parse_one(body, limits)
    if fault:
        raise fault
    return value


def parse_one(body: bytes, limits: Limits = LIMITS) -> tuple[Any, Rejected | None]:
    """The value in `body`, and the first thing wrong with it; Malformed when there is no value."""
    value = _read(body)
    keys = _clean_keys([value], limits)
    _refuse_repeats(body, keys)
    return value, fault_of(value, limits) if keys is None or _ESCAPED_NUL in body else None


def parse_batch(body: bytes, member: str, limits: Limits = LIMITS) -> tuple[Any, dict[int, Rejected]]:
    """The value in `body`, and what is wrong with items of its list `member`, each held to `limits` by itself.

    What is wrong outside the items refuses the whole body, as in `parse`.
    """
    value = _read(body)
    items = value.get(member) if type(value) is dict else None
    if type(items) is not list:
        check(value, limits)
        return value, {}
    around = {name: part for name, part in value.items() if name != member}
    keys, more = _clean_keys(items, limits), _clean_keys([around], limits)
    _refuse_repeats(body, None if keys is None or more is None else keys + more + 1)
    if keys is not None and more is not None and _ESCAPED_NUL not in body:
        return value, {}
    check(around, limits)
    nul = _ESCAPED_NUL in body
    odd = (index for index, item in enumerate(items) if _is_odd(item, limits, may_have_nul=nul))
    return value, {index: fault for index in odd if (fault := fault_of(items[index], limits))}


def _is_odd(item: Any, limits: Limits, *, may_have_nul: bool) -> bool:
    """Whether an item needs the slow look; its neighbours do not pay for that."""
    return _clean_keys([item], limits) is None or (may_have_nul and _ESCAPED_NUL in to_json(item))


def check(value: Any, limits: Limits = LIMITS) -> None:
    """Raise the first Rejected that `value` deserves, if any."""
    if fault := fault_of(value, limits):
        raise fault


def fault_of(value: Any, limits: Limits = LIMITS) -> Rejected | None:
    """The first thing wrong with `value`, with a pointer to it."""
    return next(_faults(value, limits), None)


def _read(body: bytes) -> Any:
    try:
        return from_json(body, allow_inf_nan=False, cache_strings="keys")
    except ValueError as error:
        raise _refusal(body, str(error)) from None


def _refusal(body: bytes, message: str) -> DomainError:
    if "recursion limit" in message:
        why = "The body is nested deeper than any request needs."
        many = body.count(b"[") + body.count(b"{") > _ABSURD  # so many that most parsers would refuse it, too
        return MalformedJson(why) if many else TooDeep(why, limit="depth")
    try:
        body.decode()
    except UnicodeDecodeError:
        return InvalidEncoding("The body must be UTF-8.")
    return MalformedJson(f"The body is not valid JSON: {message}.")


def _refuse_repeats(body: bytes, keys: int | None) -> None:
    """Refuse repeated keys. Each key is written `":`; as many of these as keys were read: nothing was repeated."""
    plain = not any(colon[:1] in body and colon in body for colon in _SPACED_COLONS)  # one byte is found much faster
    if keys is not None and plain and body.count(b'":') == keys:
        return
    json.loads(body, object_pairs_hook=_unique)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise DuplicateKey("An object has the same key twice; which one counts is anyone's guess.")
    return found


def _clean_keys(values: list[Any], limits: Limits) -> int | None:  # noqa: C901 - one flat loop, the hottest
    """How many keys the values have in all; None when something in them needs the slow look."""
    keys = depth = 0
    level = values
    while level:
        depth += 1
        below: list[Any] = []
        for node in level:
            kind = type(node)
            if kind is str:
                if len(node) > _SHORT_TEXT:
                    return None
            elif kind is dict:
                keys += len(node)
                if len(node) > limits.keys or len(max(node, key=len, default="")) > _SHORT_KEY:
                    return None
                below += node.values()
            elif kind is int:
                if not -_INT64 <= node < _INT64:
                    return None
            elif kind is list:
                below += node
            elif kind is float and node - node != 0:
                return None
        if depth > limits.depth and any(type(node) is dict or type(node) is list for node in level):
            return None
        level = below
    return keys


def _faults(value: Any, limits: Limits) -> Iterator[Rejected]:
    """Everything wrong with `value`, the shallow first."""
    level: list[tuple[str, Any]] = [("#", value)]
    for depth in range(1, limits.depth + 2):
        below: list[tuple[str, Any]] = []
        for pointer, node in level:
            if depth > limits.depth and isinstance(node, dict | list):
                yield TooDeep(f"{pointer}: more than {limits.depth} levels.", limit="depth", allowed=limits.depth)
            yield from _own_faults(pointer, node, limits)
            below += _children(pointer, node)
        level = below


def _children(pointer: str, node: Any) -> list[tuple[str, Any]]:
    if isinstance(node, dict):
        return [(f"{pointer}/{key[:_SHORT_KEY]}", child) for key, child in node.items()]
    if isinstance(node, list):
        return [(f"{pointer}/{index}", child) for index, child in enumerate(node)]
    return []


def _own_faults(pointer: str, node: Any, limits: Limits) -> Iterator[Rejected]:
    if isinstance(node, str):
        yield from _text_faults(pointer, node, limits.text_bytes, "string_bytes")
    elif isinstance(node, dict):
        if len(node) > limits.keys:
            yield LimitExceeded(f"{pointer}: more than {limits.keys} keys.", limit="keys", allowed=limits.keys)
        for key in node:
            yield from _text_faults(pointer, key, limits.key_bytes, "key_bytes")
    elif isinstance(node, int) and not -_INT64 <= node < _INT64:
        yield OutOfRange(f"{pointer}: integers must fit in 64 bits.")
    elif isinstance(node, float) and node - node != 0:
        yield NotFinite(f"{pointer}: numbers must be finite.")


def _text_faults(pointer: str, text: str, allowed: int, limit: str) -> Iterator[Rejected]:
    if _NUL in text:
        yield NulCharacter(f"{pointer}: texts cannot contain the NUL character.")
    if len(text.encode()) > allowed:
        what = "key" if limit == "key_bytes" else "text"
        yield LimitExceeded(f"{pointer}: a {what} of more than {allowed} bytes.", limit=limit, allowed=allowed)
