"""The types facts have, and the operators of the filter language for each; docs/filters.md says what each means."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Type(StrEnum):
    """What a fact's values are: `multi` is a set of ids or of texts. A `trait` is read as the condition asks, as text,
    number, datetime, boolean or (a JSON array) as a list of texts."""

    TEXT = "text"
    NUMBER = "number"
    DATETIME = "datetime"
    BOOLEAN = "boolean"
    SELECT = "select"
    MULTI = "multi"
    PERSON = "person"
    ID = "id"
    LIST = "list"
    TRAIT = "trait"


class Op(StrEnum):
    """Every operator of a condition on a fact."""

    IS = "is"
    IS_NOT = "isNot"
    IS_ANY_OF = "isAnyOf"
    IS_NONE_OF = "isNoneOf"
    IS_ALL_OF = "isAllOf"
    CONTAINS = "contains"
    DOES_NOT_CONTAIN = "doesNotContain"
    STARTS_WITH = "startsWith"
    ENDS_WITH = "endsWith"
    GREATER_THAN = "greaterThan"
    AT_LEAST = "atLeast"
    LESS_THAN = "lessThan"
    AT_MOST = "atMost"
    BETWEEN = "between"
    INCREASED_BY = "increasedBy"
    DECREASED_BY = "decreasedBy"
    BEFORE = "before"
    AFTER = "after"
    ON = "on"
    MORE_THAN_DAYS_AGO = "moreThanDaysAgo"
    LESS_THAN_DAYS_AGO = "lessThanDaysAgo"
    IN_LAST_DAYS = "inLastDays"
    MORE_THAN_DAYS_FROM_NOW = "moreThanDaysFromNow"
    LESS_THAN_DAYS_FROM_NOW = "lessThanDaysFromNow"
    IN_NEXT_DAYS = "inNextDays"
    IS_TRUE = "isTrue"
    IS_FALSE = "isFalse"
    IS_ME = "isMe"
    IS_SET = "isSet"
    IS_NOT_SET = "isNotSet"


class Quantity(StrEnum):
    """How many related records a condition asks for."""

    AT_LEAST = "atLeast"
    AT_MOST = "atMost"
    EXACTLY = "exactly"
    NONE = "none"


_SAME = (Op.IS, Op.IS_NOT, Op.IS_ANY_OF, Op.IS_NONE_OF)
_SET = (Op.IS_SET, Op.IS_NOT_SET)
_WORDS = (Op.CONTAINS, Op.DOES_NOT_CONTAIN, Op.STARTS_WITH, Op.ENDS_WITH)
_ORDER = (Op.GREATER_THAN, Op.AT_LEAST, Op.LESS_THAN, Op.AT_MOST, Op.BETWEEN)
_DATES = (Op.BEFORE, Op.AFTER, Op.ON, Op.BETWEEN)
_CLOCK = (
    Op.MORE_THAN_DAYS_AGO,
    Op.LESS_THAN_DAYS_AGO,
    Op.IN_LAST_DAYS,
    Op.MORE_THAN_DAYS_FROM_NOW,
    Op.LESS_THAN_DAYS_FROM_NOW,
    Op.IN_NEXT_DAYS,
)
_SETS = (Op.IS_ANY_OF, Op.IS_NONE_OF, Op.IS_ALL_OF)

BARE: Final = frozenset({Op.IS_SET, Op.IS_NOT_SET, Op.IS_TRUE, Op.IS_FALSE, Op.IS_ME})  # they take no value
MANY: Final = frozenset(_SETS)  # they take a list
MOVES: Final = (Op.INCREASED_BY, Op.DECREASED_BY)  # they look back at what the value was

READINGS: Final = (Type.TEXT, Type.NUMBER, Type.DATETIME, Type.BOOLEAN)  # what a trait can be read and sorted as
TRAIT_READINGS: Final = (*READINGS, Type.LIST)  # what a condition may read it as

_BASE: Final = {
    Type.TEXT: (*_SAME, *_WORDS, *_SET),
    Type.NUMBER: (*_SAME, *_ORDER, *_SET),
    Type.DATETIME: (*_DATES, *_CLOCK, *_SET),
    Type.BOOLEAN: (Op.IS_TRUE, Op.IS_FALSE, *_SET),
    Type.SELECT: (*_SAME, *_SET),
    Type.MULTI: (*_SETS, *_SET),
    Type.PERSON: (*_SAME, Op.IS_ME, *_SET),
    Type.ID: _SAME,
    Type.LIST: (*_SETS, *_SET),
}

OPERATORS: Final[Mapping[Type, tuple[Op, ...]]] = MappingProxyType(
    {**_BASE, Type.TRAIT: tuple(op for op in Op if any(op in _BASE[reading] for reading in TRAIT_READINGS))}
)
