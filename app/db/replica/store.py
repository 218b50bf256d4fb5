"""One workspace's columns in DuckDB: rows are replaced by id, pages asked for in SQL. It blocks, so call it in threads.

The copy is closed to the outside: no files, no extensions, no variables of this process.
"""

import logging
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from app.db.replica.columns import ID, Column, doubts_of
from app.db.replica.source import Rows
from app.db.replica.values import ESCAPE, SEPARATOR, Unanswerable

if TYPE_CHECKING:
    import duckdb

log = logging.getLogger(__name__)

TABLE: Final = "accounts"
FRESH: Final = "fresh"  # columns on their way into the table
WORN: Final = 50_000  # replaced rows after which the table is packed anew
_CLOSED: Final = {
    "allow_persistent_secrets": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "enable_external_access": "false",
    "preserve_insertion_order": "false",
    "python_enable_replacements": "false",
    "temp_directory": "",
}


class Full(Exception):
    """The columns do not fit into the memory they may have."""


class Store:
    """The columns, and which of them hold values they cannot hold exactly."""

    def __init__(self, columns: Iterable[Column], *, memory: int, threads: int, by_bytes: bool = True) -> None:
        limits = {"memory_limit": f"{memory}B", "threads": str(threads)}
        import duckdb  # heavy, and not needed where no workspace is large

        self.by_bytes = by_bytes  # whether PostgreSQL orders texts as DuckDB does
        self._error, self._full, self._held = duckdb.Error, duckdb.OutOfMemoryException, duckdb.TransactionException
        self._base = duckdb.connect(":memory:", config={**_CLOSED, **limits})
        self._write = self._base.cursor()
        self._writing = threading.Lock()
        self._columns: dict[str, Column] = {column.name: column for column in columns}
        self._unfit: set[str] = set()
        self._long: set[str] = set()
        self._replaced = 0
        shapes = ", ".join(f"{name} {column.shape.stored}" for name, column in self._columns.items())
        self._write.execute(f"create table {TABLE} ({ID} uuid, {shapes})")

    @property
    def columns(self) -> list[Column]:
        """Its columns; the id is not among them."""
        return list(self._columns.values())

    @property
    def shape(self) -> tuple[int, ...]:
        """Differs when other columns are here, or other values in them than there could be before."""
        return len(self._columns), len(self._unfit), len(self._long)

    def has(self, column: Column) -> bool:
        """Whether a column is here, and every value of it exactly."""
        return column.name == ID or (column.name in self._columns and column.name not in self._unfit)

    def lacks(self, column: Column) -> bool:
        """Whether a column could be added."""
        return column.name != ID and column.name not in self._columns

    def is_long(self, column: Column) -> bool:
        """Whether a text of this column is longer than what reports are sorted by."""
        return column.name in self._long

    def replace(self, rows: Rows, gone: Sequence[UUID] = ()) -> None:
        """These rows instead of those of the same accounts, and none for those that are gone."""
        old = list(gone)
        with self._transaction() as cursor:
            if old:
                cursor.execute(f"delete from {TABLE} where {ID} in (select unnest(?))", [old])  # noqa: S608
            if rows.number:
                self._insert(cursor, TABLE, rows)
        self._replaced += len(old)

    def begin(self, columns: Sequence[Column]) -> None:
        """Room beside the table for columns that are being read."""
        shapes = ", ".join(f"{column.name} {column.shape.stored}" for column in columns)
        with self._transaction() as cursor:
            cursor.execute(f"create or replace table {FRESH} ({ID} uuid, {shapes})")

    def fill(self, rows: Rows) -> None:
        """More values of the columns that are being read."""
        with self._transaction() as cursor:
            self._insert(cursor, FRESH, rows)

    def finish(self, columns: Sequence[Column]) -> None:
        """The columns become part of the table."""
        with self._transaction() as cursor:
            for column in columns:
                cursor.execute(f"alter table {TABLE} add column {column.name} {column.shape.stored}")
        values = ", ".join(f"{column.name} = f.{column.name}" for column in columns)
        with self._transaction() as cursor:
            cursor.execute(f"update {TABLE} set {values} from {FRESH} f where f.{ID} = {TABLE}.{ID}")  # noqa: S608
            cursor.execute(f"drop table {FRESH}")
        self._columns.update({column.name: column for column in columns})
        self.pack()

    def drop(self, columns: Iterable[Column]) -> None:
        """Without these columns."""
        for column in columns:
            with self._transaction() as cursor:
                cursor.execute(f"alter table {TABLE} drop column {column.name}")
            self._columns.pop(column.name, None)

    def ask(self, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """The rows of a query. Raises `Unanswerable` where it takes too much memory, or fails in any other way."""
        try:
            with self._base.cursor() as cursor:
                return cursor.execute(statement, list(values)).fetchall()
        except self._error as error:
            log.warning("a question to the columns failed: %s", type(error).__name__)
            raise Unanswerable from error

    def memory(self) -> int:
        """How many bytes it takes."""
        [(taken,)] = self.ask("select sum(memory_usage_bytes)::bigint from duckdb_memory()", ())
        return int(taken or 0)

    @property
    def worn(self) -> bool:
        """Whether so many rows were replaced that packing pays."""
        return self._replaced >= WORN

    def pack(self) -> None:
        """Compress what is loose and leave out what was replaced; not while somebody reads, then at the next call."""
        with self._writing, suppress(self._held):
            self._write.execute("checkpoint")
            self._replaced = 0

    @contextmanager
    def _transaction(self) -> Iterator["duckdb.DuckDBPyConnection"]:
        """One writer at a time; readers go on with what was there."""
        with self._writing:
            self._write.begin()
            try:
                yield self._write
                self._write.commit()
            except self._full as error:
                self._write.rollback()
                raise Full from error
            except BaseException:
                self._write.rollback()
                raise

    def _insert(self, cursor: "duckdb.DuckDBPyConnection", table: str, rows: Rows) -> None:
        """The rows from their texts; what cannot be held exactly is remembered."""
        for (column, kind, _), found in zip(doubts_of(rows.columns), rows.doubts, strict=True):
            if found:
                (self._unfit if kind == "unfit" else self._long).add(column.name)
        names = [ID, *(column.name for column in rows.columns)]
        split = ", ".join(f"unnest(string_split(?, '{SEPARATOR}')) as {name}" for name in names)
        kept = [_kept(column, text) for column, text in zip(rows.columns, rows.texts[1:], strict=True)]
        shown = ", ".join([f"cast({ID} as uuid)", *kept])
        statement = f"insert into {table} ({', '.join(names)}) select {shown} from (select {split})"  # noqa: S608
        cursor.execute(statement, list(rows.texts))


def _kept(column: Column, text: str) -> str:
    shape = column.shape
    return (shape.escaped if shape.escaped is not None and ESCAPE in text else shape.kept).format(column.name)
