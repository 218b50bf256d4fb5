"""Many rows as one parameter: an array of columns, each column one text.

Cheaper on both sides than JSON or an array per column: joining and splitting texts is all there is to it. The separator
is a control character no JSON text, time, number or id contains; an empty text stands for null.
"""

from collections.abc import Iterable, Sequence
from typing import Final

SEPARATOR: Final = "\x1e"


def pack(rows: Iterable[Sequence[str]]) -> list[str]:
    """The parameter's value: one text per column. No value may contain the separator."""
    return [SEPARATOR.join(column) for column in zip(*rows, strict=True)]


def table(parameter: str, **columns: str) -> str:
    """SQL for the rows in `parameter`, such as `$3`, with these columns and their types."""
    names = ", ".join(columns)
    split = ", ".join(f"string_to_array(({parameter}::text[])[{n}], E'\\x1e', '')" for n in range(1, len(columns) + 1))
    cast = ", ".join(f"{name}::{kind} as {name}" for name, kind in columns.items())
    return f"(select {cast} from unnest({split}) as t ({names}))"  # noqa: S608 - written by us alone
