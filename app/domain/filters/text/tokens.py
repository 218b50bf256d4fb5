"""Cuts a line of text into words, values and signs, each with the column it begins at."""

import json
import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

from app.domain.filters.reading import InvalidFilter

LONGEST: Final = 100_000  # characters
LONGEST_NUMBER: Final = 100


class Kind(Enum):
    """What a token is. A `path` is a field whose last part is quoted."""

    WORD = auto()
    PATH = auto()
    TEXT = auto()
    NUMBER = auto()
    MOMENT = auto()
    SIGN = auto()
    END = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """One token: `value` is what it stands for, `column` counts from 1."""

    kind: Kind
    source: str
    value: Any
    column: int


_QUOTED = r'"(?:[^"\\]|\\.)*"'
WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*\Z")  # a field that needs no quotes
MOMENT: Final = re.compile(r"\d{4}-\d{2}-\d{2}(?:T[0-9:.]+(?:Z|[-+]\d{2}:?\d{2})?)?(?![A-Za-z0-9_])", re.ASCII)
_TOKENS: Final = (
    (Kind.TEXT, re.compile(_QUOTED, re.DOTALL)),
    (Kind.MOMENT, MOMENT),
    (Kind.NUMBER, re.compile(r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?(?![A-Za-z0-9_.])", re.ASCII)),
    (Kind.PATH, re.compile(rf"[A-Za-z_][A-Za-z0-9_.-]*\.{_QUOTED}", re.DOTALL)),
    (Kind.WORD, re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")),
    (Kind.SIGN, re.compile(r"!=|>=|<=|[=<>(),%]")),
)
_SPACE: Final = re.compile(r"\s*")


def refuse(column: int, detail: str) -> InvalidFilter:
    """A refusal that points at a column."""
    return InvalidFilter(
        f"Column {column}: {detail}", errors=[{"pointer": "#/filter", "column": column, "detail": detail}]
    )


def cut(source: str) -> list[Token]:
    """The tokens of a line, the end of it last. Raises `InvalidFilter`."""
    if len(source) > LONGEST:
        raise refuse(LONGEST, f"A filter has at most {LONGEST} characters.")
    found, at = [], _space(source, 0)
    while at < len(source):
        token = _token(source, at)
        found.append(token)
        at = _space(source, at + len(token.source))
    return [*found, Token(Kind.END, "", None, len(source) + 1)]


def _space(source: str, at: int) -> int:
    match = _SPACE.match(source, at)
    return match.end() if match else at


def _token(source: str, at: int) -> Token:
    for kind, shape in _TOKENS:
        match = shape.match(source, at)
        if match is not None:
            return Token(kind, match[0], _value(kind, match[0], at + 1), at + 1)
    if source[at] == '"':
        raise refuse(at + 1, 'This text has no end: close it with ".')
    raise refuse(at + 1, 'Nothing can begin here; texts are written in double quotes ("…").')


def _value(kind: Kind, source: str, column: int) -> Any:
    match kind:
        case Kind.TEXT:
            return _unquoted(source, column)
        case Kind.PATH:
            start = source.index('"')
            return source[:start] + _unquoted(source[start:], column + start)
        case Kind.NUMBER:
            return _number(source, column)
        case _:
            return source


def _unquoted(source: str, column: int) -> str:
    try:
        return str(json.loads(source, strict=False))
    except ValueError as wrong:
        detail = 'In texts write \\" for a quote and \\\\ for a backslash; other escapes are those of JSON.'
        raise refuse(column, detail) from wrong


def _number(source: str, column: int) -> int | float:
    if len(source) > LONGEST_NUMBER:
        raise refuse(column, "Give a number of at most 30 digits.")
    return float(source) if any(sign in source for sign in ".eE") else int(source)
