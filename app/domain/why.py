"""Why a fact of an account is what it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Why:
    """A fact's value, the rule that made it in words, what the rule looked at, since when it is so, and what decided.

    `since` and `source` are None where nobody keeps them.
    """

    value: Any
    rule: str
    inputs: Sequence[Mapping[str, Any]] = ()
    since: datetime | None = None
    source: str | None = None
