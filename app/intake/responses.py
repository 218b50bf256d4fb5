"""NPS responses in files: one to a row, with the score as a number or as text."""

import re
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, TypeAdapter
from pydantic_core import PydanticCustomError

from app.domain.messages import Envelope, ResponseMessage
from app.domain.nps import LEAST, MOST
from app.domain.surveys import LONGEST_FEEDBACK
from app.intake import reading
from app.intake.items import ExternalId, Instant, Timed

_WHOLE: Final = re.compile(r"[0-9]{1,2}(?:\.0+)?\Z", re.ASCII)


def _score(value: object) -> int:
    """Spreadsheets write 9 as `9.0`, too."""
    if isinstance(value, str) and _WHOLE.match(value.strip()):
        value = int(float(value))
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or not LEAST <= value <= MOST:  # type: ignore[operator]  # an int by now
        raise PydanticCustomError("invalid_score", "A score is a whole number from 0 to 10.")
    return value  # type: ignore[return-value]


class ResponseItem(Timed):
    """One row. `respondedAt` is its `timestamp` by another name, and goes before it."""

    type: Literal["npsResponse"]
    user_id: ExternalId
    score: Annotated[int, BeforeValidator(_score)]
    feedback: str | None = Field(None, max_length=LONGEST_FEEDBACK)
    responded_at: Instant = None
    external_id: ExternalId | None = None


_ITEM: Final = TypeAdapter(ResponseItem)


def read_item(item: Any, *, now: datetime) -> Envelope:
    """The message of a row; one without a time counts as of `now`. Raises what `reading.read_one` puts into words."""
    found = _ITEM.validate_python(item)
    if found.responded_at is not None:
        found = found.model_copy(update={"timestamp": found.responded_at})
    at = found.happened(now, timedelta(0))
    said = ResponseMessage(at, found.user_id, (), {}, (), found.score, found.feedback, found.external_id)
    return reading.envelope_of(item, (said,), found)
