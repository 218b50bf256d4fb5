"""From the bytes of a file to its records, the same however the bytes were cut into parts and slices.

A record is decided by the bytes from its beginning on, at most `SCAN_BYTES` of them: whoever reads on from a `Cursor`
with that many bytes ahead, or all there are, comes to the same records.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from app.domain.imports import BrokenRows, Cursor
from app.intake.reading import BadMessage

ROW_BYTES: Final = 32 * 1024
SCAN_BYTES: Final = 256 * 1024
MOST_BROKEN: Final = 1_000

UNCLOSED: Final = "A quote is opened and not closed."
STRAY: Final = "A quoted cell is followed by something: quotes inside cells are doubled."

csv.field_size_limit(SCAN_BYTES * 2)  # ours is the limit that counts


@dataclass(frozen=True, slots=True)
class Record:
    """One row as it stands in the file: its cells (of JSON Lines: none), or why it cannot be read."""

    number: int
    raw: bytes
    cells: tuple[str, ...] = ()
    fault: BadMessage | None = None


class _Endless(Exception):
    """The record does not end within what is read of it."""


class _Lines:
    """Hands out one physical line at a time, and knows how far it has come."""

    def __init__(self, data: bytes, at: int, newline: bytes) -> None:
        self.data, self.at, self.newline = data, at, newline
        self.begin = at
        self.strange = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self.take()
        if not line:
            raise StopIteration
        try:
            return line.decode()
        except UnicodeDecodeError:
            self.strange = True
            return line.decode("utf-8", "replace")

    def take(self) -> bytes:
        """The next line with its end; empty at the end of the data."""
        most = self.begin + SCAN_BYTES
        end = self.data.find(self.newline, self.at, most) + 1
        if not end:
            if len(self.data) >= most:
                raise _Endless
            end = len(self.data)
        line, self.at = self.data[self.at : end], end
        return line

    def rewind(self) -> None:
        """Back to behind the first line of the record."""
        end = self.data.find(self.newline, self.begin) + 1
        self.at = end or len(self.data)


def read(
    data: bytes, cursor: Cursor, *, delimiter: str | None, newline: str = "\n", last: bool, most: int
) -> tuple[list[Record], Cursor]:
    """Up to `most` records from the beginning of `data`, which lies at `cursor.at` in the file, and how far that is.

    `last`: the data reach to the end of the file. Without a delimiter each line is a record of its own. Blank lines
    are passed over. Raises `BrokenRows`.
    """
    reader = _Reader(data, cursor, delimiter, newline.encode())
    found: list[Record] = []
    safe = len(data) if last else len(data) - SCAN_BYTES
    while len(found) < most and reader.lines.at < safe:
        record = reader.next()
        if record is not None:
            found.append(record)
    return found, replace(
        cursor,
        at=cursor.at + reader.lines.at,
        row=reader.row,
        broken=reader.broken,
        skipping=reader.skipping,
    )


class _Reader:
    def __init__(self, data: bytes, cursor: Cursor, delimiter: str | None, newline: bytes) -> None:
        self.lines = _Lines(data, 0, newline)
        self.row, self.broken, self.skipping = cursor.row, cursor.broken, cursor.skipping
        self._csv = None if delimiter is None else csv.reader(self.lines, delimiter=delimiter, strict=True)

    def next(self) -> Record | None:
        lines = self.lines
        lines.begin, lines.strange = lines.at, False
        if self.skipping:
            self._skip()
            return None
        self.row += 1
        try:
            cells = self._cells()
        except _Endless:
            return self._endless()
        except csv.Error as error:
            return self._malformed(_in_words(str(error)))
        raw = lines.data[lines.begin : lines.at]
        if not raw.strip() or (cells and not any(map(str.strip, cells))):
            return None
        if len(raw) > ROW_BYTES:
            return self._fault(raw, "limit_exceeded", f"A row takes at most {ROW_BYTES} bytes.")
        if lines.strange:
            return self._fault(raw, "invalid_encoding", "The row is not valid UTF-8.")
        return Record(self.row, raw, cells)

    def _cells(self) -> tuple[str, ...]:
        if self._csv is None:
            self.lines.take()
            return ()
        return tuple(next(self._csv))

    def _skip(self) -> None:
        """Pass over the rest of a line, or as much of it as there is."""
        lines = self.lines
        end = lines.data.find(lines.newline, lines.at) + 1
        lines.at = end or len(lines.data)
        self.skipping = not end

    def _endless(self) -> Record:
        lines = self.lines
        raw = lines.data[lines.begin : lines.begin + ROW_BYTES]
        if lines.data.find(lines.newline, lines.begin, lines.begin + SCAN_BYTES) < 0:
            lines.at, self.skipping = lines.begin + SCAN_BYTES, True
            return self._fault(raw, "limit_exceeded", f"A row takes at most {ROW_BYTES} bytes.")
        return self._malformed(UNCLOSED)

    def _malformed(self, why: str) -> Record:
        """Only the first line is given up: what follows it is most likely rows, swallowed by a stray quote."""
        lines = self.lines
        first = lines.data.find(lines.newline, lines.begin) + 1 or len(lines.data)
        if first < lines.at or why == UNCLOSED:
            self.broken += 1
            if self.broken > MOST_BROKEN:
                raise BrokenRows(
                    f"More than {MOST_BROKEN} rows open a quote that is not closed, the last in row {self.row}: "
                    "is the file CSV, with quotes in cells doubled?"
                )
        lines.rewind()
        return self._fault(lines.data[lines.begin : lines.at], "malformed_row", why)

    def _fault(self, raw: bytes, code: str, detail: str) -> Record:
        return Record(self.row, raw, (), BadMessage(detail, code=code))


def _in_words(error: str) -> str:
    """What the csv module found, for people."""
    if "end of data" in error:
        return UNCLOSED
    return STRAY if "expected after" in error else f"Not CSV: {error}."
