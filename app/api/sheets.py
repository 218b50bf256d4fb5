"""Tables as bytes: CSV line by line, and Excel's format in a file beside the loop, both in bounded memory."""

import asyncio
import csv
import io
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import xlsxwriter

from app.domain.downloads import BOM, Cell, defused, text

Row = Sequence[Cell]
Rows = AsyncGenerator[Sequence[Row]]

CHUNK_BYTES: Final = 64 * 1024
LONGEST_CELL: Final = 32_767  # characters, Excel's own limit
EXACT: Final = 2**53  # beyond it a spreadsheet's numbers are not whole any more
INSTANT: Final = {"num_format": "yyyy-mm-dd hh:mm:ss"}
NOT_XML: Final = str.maketrans({"\ufffe": "\ufffd", "\uffff": "\ufffd"})


async def lines(heads: Sequence[str], rows: Rows, *, bom: bool) -> AsyncGenerator[bytes]:
    """CSV: the heads, then the rows as they come."""
    page = io.StringIO()
    writer = csv.writer(page, lineterminator="\r\n")
    async with aclosing(rows):
        first = True
        async for part in rows:
            if first:  # not before the rows are there: until then a refusal can still be told as such
                page.write(BOM if bom else "")
                writer.writerow([defused(head) for head in heads])
                first = False
            writer.writerows([text(cell) for cell in row] for row in part)
            yield page.getvalue().encode()
            page.seek(0)
            page.truncate()


async def workbook(heads: Sequence[str], rows: Rows) -> AsyncGenerator[bytes]:
    """An Excel file. It is written beside the loop and read only once it is whole."""
    with TemporaryDirectory(prefix="steward-") as folder:
        sheet = await asyncio.to_thread(_Sheet, Path(folder), heads)
        try:
            async with aclosing(rows):
                async for part in rows:
                    await asyncio.to_thread(sheet.write, part)
            await asyncio.to_thread(sheet.close)
        finally:
            sheet.abandon()
        async with aclosing(_read(sheet.path)) as chunks:
            async for chunk in chunks:
                yield chunk


async def _read(path: Path) -> AsyncGenerator[bytes]:
    file = await asyncio.to_thread(path.open, "rb")
    try:
        while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
            yield chunk
    finally:
        file.close()


class _Sheet:
    """One worksheet, whose rows go to the disk as they are written."""

    def __init__(self, folder: Path, heads: Sequence[str]) -> None:
        self.path = folder / "report.xlsx"
        self._book: Any = xlsxwriter.Workbook(str(self.path), {"constant_memory": True, "tmpdir": str(folder)})
        self._sheet: Any = self._book.add_worksheet("Report")
        self._instant = self._book.add_format(INSTANT)
        self._sheet.freeze_panes(1, 0)
        self._next = 0
        self.write([heads])

    def write(self, rows: Sequence[Row]) -> None:
        """Append rows."""
        for row in rows:
            for column, cell in enumerate(row):
                self._cell(column, cell)
            self._next += 1

    def close(self) -> None:
        """Finish the file."""
        self._book.close()

    def abandon(self) -> None:
        """Let go of the rows written so far, if the file was not finished."""
        self._book.fileclosed = True
        self._sheet.row_data_fh.close()

    def _cell(self, column: int, cell: Cell) -> None:
        """Every cell has a type of its own here, so that no text is ever taken for a formula."""
        match cell:
            case None | "":
                return
            case bool():
                self._sheet.write_boolean(self._next, column, cell)
            case int() | float() | Decimal() if _fits(cell):
                self._sheet.write_number(self._next, column, float(cell))
            case datetime() if cell.year > 1900:
                at = cell.astimezone(UTC).replace(tzinfo=None)
                self._sheet.write_datetime(self._next, column, at, self._instant)
            case _:
                self._sheet.write_string(self._next, column, _shown(cell))


def _fits(number: float | Decimal) -> bool:
    """Whether a spreadsheet's number says the same."""
    exact = Decimal(str(number))
    return exact.is_finite() and abs(exact) <= EXACT and Decimal(repr(float(number))) == exact


def _shown(cell: Cell) -> str:
    found = (cell if isinstance(cell, str) else text(cell)).translate(NOT_XML)
    return found if len(found) <= LONGEST_CELL else f"{found[: LONGEST_CELL - 1]}…"


async def primed(chunks: AsyncGenerator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes, the first of them already there: what would be refused is refused before any byte leaves."""
    first = await anext(chunks, b"")
    return _after(first, chunks)


async def _after(first: bytes, chunks: AsyncGenerator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in chunks:
        yield chunk
