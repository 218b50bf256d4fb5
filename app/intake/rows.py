"""From the records of an imported file to envelopes: each row is judged on its own, and knows its place in the file."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from hashlib import blake2b
from typing import Any, Final

from app.domain import imports
from app.domain.errors import DomainError
from app.domain.imports import BAG, MESSAGE, Cursor, Kind, RowFault
from app.domain.messages import Envelope
from app.intake import guard, reading, records, responses
from app.intake.layouts import Layout
from app.intake.reading import BadMessage
from app.intake.records import Record

_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,10})?\Z", re.ASCII)
_BOOLEANS: Final = {"true": True, "false": False}
_BETWEEN_IDS: Final = re.compile(r"[;|]")


@dataclass(frozen=True, slots=True)
class Plan:
    """All that decides how the rows of a file are read. `now` stands for the time of rows that name none."""

    kind: Kind
    layout: Layout
    digest: str
    null_text: str | None
    now: datetime

    @property
    def prefix(self) -> str:
        """How the message ids begin that rows get which have none of their own.

        What accounts and users are said to be may be said again under another mapping. Events may not: they would count
        twice.
        """
        if self.kind == "events" or not self.layout.targets:
            return f"import:{self.digest}:{self.kind}:"
        told = "\0".join((*self.layout.targets, self.null_text or ""))
        return f"import:{self.digest}:{self.kind}:{blake2b(told.encode(), digest_size=8).hexdigest()}:"


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows as read: those that can be recorded, with numbers and texts; those that cannot; and how far they reach."""

    numbers: list[int]
    envelopes: list[Envelope]
    texts: list[bytes]
    faults: list[RowFault]
    after: Cursor


def read(plan: Plan, data: bytes, cursor: Cursor, *, last: bool, most: int) -> Rows:
    """Up to `most` rows from `data`, which lies at the cursor; see `records.read`."""
    layout = plan.layout
    found, after = records.read(data, cursor, delimiter=layout.delimiter, newline=layout.newline, last=last, most=most)
    rows = Rows([], [], [], [], after)
    prefix = plan.prefix
    for record in found:
        try:
            envelope = _envelope(plan, record)
        except BadMessage as error:
            rows.faults.append(fault(layout, record.number, record.raw, error))
            continue
        if envelope.message_id is None:
            envelope = replace(envelope, message_id=f"{prefix}{record.number}")
        rows.numbers.append(record.number)
        rows.envelopes.append(envelope)
        rows.texts.append(record.raw)
    return rows


def fault(layout: Layout, number: int, raw: bytes, error: BadMessage) -> RowFault:
    """What is kept of a row that was not taken."""
    column = layout.column_of(error.pointer) if layout.columns else None
    return RowFault(number, error.code, error.detail, imports.excerpt(raw), error.pointer, column)


def _envelope(plan: Plan, record: Record) -> Envelope:
    if record.fault is not None:
        raise record.fault
    item = _from_json(plan, record) if plan.layout.delimiter is None else _from_cells(plan, record.cells)
    read = responses.read_item if plan.kind == "nps_responses" else reading.read_item
    envelope = reading.read_one(item, partial(read, now=plan.now))
    if envelope is None:
        raise BadMessage("The row says nothing.")
    return envelope


def _from_json(plan: Plan, record: Record) -> Any:
    try:
        item = guard.parse(record.raw)
    except DomainError as error:
        raise BadMessage(error.detail.replace("body", "row"), code=error.code) from None
    if not isinstance(item, dict):
        raise BadMessage("A row is a JSON object.")
    return {"type": MESSAGE[plan.kind], **item}


def _from_cells(plan: Plan, cells: Sequence[str]) -> dict[str, Any]:
    width = len(plan.layout.columns)
    if len(cells) < width or any(cells[width:]):
        raise BadMessage(f"The row has {len(cells)} cells where there are {width} columns.", code="ragged_row")
    item: dict[str, Any] = {"type": MESSAGE[plan.kind]}
    bag: dict[str, Any] = {}
    for target, value in _told(plan, cells):
        name = target.removeprefix(f"{BAG.get(plan.kind)}.")
        if name != target or target in {"name", "email"}:
            bag[name] = value
        elif value is not None or target not in imports.SEVERAL:
            item[target] = value
    if bag:
        item[BAG[plan.kind]] = bag
    if found := guard.fault_of(item):
        raise BadMessage(found.detail, code=found.code, pointer=found.detail.partition(":")[0])
    return item


def _told(plan: Plan, cells: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """What the cells say, by target. An empty one says nothing."""
    for target, cell in zip(plan.layout.targets, cells, strict=False):
        bare = cell.strip()
        if not target or not bare:
            continue
        name = target.removesuffix(imports.AS_TEXT)
        if plan.null_text and bare == plan.null_text:
            yield name, None
        elif name in imports.SEVERAL:
            yield name, [one.strip() for one in _BETWEEN_IDS.split(bare) if one.strip()]
        elif "." not in name:
            yield name, bare
        else:
            yield name, cell if name != target else value_of(cell)


def value_of(cell: str) -> Any:
    """A trait as it is most likely meant, and as text where that could lose something.

    `true` and `false` are booleans; numbers are those written as one would write them back: `007`, `1e5`, `+1`, `1,5`
    and anything of more than 15 digits stay text, and so do dates.
    """
    bare = cell.strip()
    if _NUMBER.match(bare) and bare != "-0":
        return float(bare) if "." in bare else int(bare)
    return _BOOLEANS.get(bare.lower(), cell)
