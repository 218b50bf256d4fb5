"""What a column of a copy is: which fact it holds under which reading, how it travels as text, how it lives there."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any, Final, Literal

from sqlalchemy import ARRAY, ColumnElement, Text, Uuid, case, cast, column, func, literal_column, true

from app.db import filters
from app.db.replica import values
from app.db.replica.values import Shape
from app.domain.fields import CATALOGUES, Fact, Subject, Type, find

TABLES: Final = ("account_facts", "accounts")  # what every evaluation notes and every mark announces
OTHERS: Final = {
    Type.NUMBER: values.NUMBER,
    Type.DATETIME: values.INSTANT,
    Type.BOOLEAN: values.FLAG,
    Type.SELECT: values.WORD,
    Type.PERSON: values.ID,
    Type.ID: values.ID,
    Type.MULTI: values.IDS,
    Type.TRAIT: values.FLAG,
}
ID: Final = "id"
_USUAL: Final = (
    "externalId name createdAt status mrr users lastSeenAt renewsAt trialEndsAt csm accountExecutive roleHolders"
    " segments accessGroups organization owner owner.name owner.email owner.lastSeenAt owner.sessions owner.state"
    " health healthLabel nps"
)
USUAL: Final = frozenset(_USUAL.split())
"""What reports ask for so often that nobody should wait for it. Every column has its price whenever rows change."""


@dataclass(frozen=True)
class Column:
    """A fact under a reading. `exact`: text as it is written, where others are folded; a trait read as `trait` only
    says whether there is one."""

    fact: Fact
    reading: Type
    exact: bool = False

    @cached_property
    def name(self) -> str:
        """Its name in the copy; trait keys are the customer's, and no part of any statement."""
        if self.fact.path == ID:
            return ID
        return "c" + sha256(f"{self.fact.path}\0{self.reading}\0{self.exact}".encode()).hexdigest()[:16]

    @cached_property
    def shape(self) -> Shape:
        """How its values travel and live."""
        if self.reading is Type.TEXT:
            return values.TEXT
        return OTHERS[self.reading]

    @property
    def there(self) -> ColumnElement[Any]:
        """It, in a statement to the copy."""
        return column(self.name, self.shape.type)

    @property
    def sent(self) -> ColumnElement[str]:
        """Its value as PostgreSQL sends it: text, empty where it is missing."""
        found = filters.value(self.fact, self.reading)
        if self.reading is Type.TRAIT:
            found = case((found.is_not(None), true()))
        elif self.reading is Type.TEXT and not self.exact:
            found = func.lower(found)
        return func.coalesce(self.shape.send(found), literal_column("''"), type_=Text)

    @property
    def always(self) -> bool:
        """Whether every copy has it; the others come to exist when they are asked for often enough."""
        return self.exact or self.fact.path in USUAL


def of(fact: Fact, reading: Type, *, exact: bool = False) -> Column | None:
    """The column that would hold a fact under a reading; None where none can."""
    if fact.table not in TABLES or (reading is not Type.TEXT and reading not in OTHERS):
        return None
    if reading is Type.MULTI and not _holds_ids(fact):
        return None
    return Column(fact, reading, exact)


def ordering(fact: Fact, reading: Type) -> Column | None:
    """The column whose values have the order of the fact in a report: external ids are sorted as they are written."""
    return of(fact, reading, exact=reading is Type.TEXT and fact.column.endswith("external_id"))


def standing() -> list[Column]:
    """The columns of every copy: what is usual, and external ids also as they are written."""
    facts = CATALOGUES[Subject.ACCOUNTS].values()
    found = [of(fact, fact.type) for fact in facts] + [ordering(fact, fact.type) for fact in facts]
    return [one for one in dict.fromkeys(found) if one is not None and one.always and one.name != ID]


def sent(columns: Iterable[Column]) -> list[ColumnElement[str]]:
    """What PostgreSQL selects for these columns: the id first."""
    id_ = filters.value(find(ID))
    return [cast(id_, Text).label(ID), *(one.sent.label(one.name) for one in columns)]


def doubts_of(columns: Iterable[Column]) -> list[tuple[Column, Literal["unfit", "long"], str]]:
    """What is to be known of all values of a column, as SQL over them as they are sent."""
    found: list[tuple[Column, Literal["unfit", "long"], str]] = []
    for one in columns:
        if one.shape.unfit is not None:
            found.append((one, "unfit", one.shape.unfit))
        if one.shape.long is not None:
            found.append((one, "long", one.shape.long))
    return found


def _holds_ids(fact: Fact) -> bool:
    kind = filters.TABLES[fact.table].c[fact.column].type
    return isinstance(kind, ARRAY) and isinstance(kind.item_type, Uuid)
