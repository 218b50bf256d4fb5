"""The wire contract of NPS: responses, and scores of anything."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from app.api.schemas.base import Instant, Page
from app.api.schemas.filters import Filter
from app.api.schemas.reports import Scope, ViewId
from app.api.schemas.surveys import Feedback, Score, SurveyResponseOut, response
from app.domain import nps
from app.domain.fields import Subject
from app.domain.nps import Tally
from app.domain.reports import Asked
from app.domain.wire import Wire
from app.intake.items import ExternalId
from app.services.nps_scores import Figures

SurveyName = Annotated[str, Field(min_length=1, max_length=80, description="`srv_…` or a slug.")]
Months = Annotated[int, Field(ge=0, le=60, description="How many months the trend has, this one included.")]


class NpsResponseIn(Wire):
    """What a user answered to how likely they are to recommend you."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "userId": "user-1",
                    "score": 9,
                    "feedback": "Saves us hours, every week",
                    "respondedAt": "2026-03-01T09:30:00Z",
                    "externalId": "answer-1",
                }
            ]
        }
    )

    user_id: ExternalId = Field(description="`usr_…` or your own id; an id of your own that is new makes the user.")
    score: Score
    feedback: Feedback | None = None
    responded_at: Instant | None = Field(None, description="Left out: now.")
    external_id: ExternalId | None = Field(
        None, description="Your own id of the response: sent again, it is replaced, unless it is the newer one."
    )
    survey: SurveyName | None = Field(None, description="Which NPS survey it answers; left out: `nps`.")


class NpsResponsePatch(Wire):
    """What to change; what is left out stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"score": 8}]})

    score: Score | None = None
    feedback: Feedback | None = None
    responded_at: Instant | None = None

    def changes(self) -> dict[str, Any]:
        """What was named; only feedback can be taken away."""
        said = {name: getattr(self, name) for name in self.model_fields_set}
        return {name: value for name, value in said.items() if value is not None or name == "feedback"}


class NpsResponseOut(SurveyResponseOut):
    """An NPS response."""

    group: nps.Group | None = Field(description="Null for a dismissal.")


NpsResponsePage = Page[NpsResponseOut]


def npsresponse(row: Mapping[str, Any]) -> dict[str, Any]:
    """A response's row, as its model takes it."""
    return {**response(row), "group": None if row["score"] is None else nps.group(row["score"])}


class NpsIn(Wire):
    """Whose score: of the users a filter or a view is about, or of those of its accounts or organizations."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"subject": "accounts", "filter": {"field": "externalId", "op": "isSet"}, "months": 6},
            ]
        }
    )

    subject: Literal["accounts", "users", "organizations"] = "users"
    view: ViewId | None = Field(None, description="A saved view to start from; what else is given replaces its parts.")
    filter: Filter | None = Field(None, description="Which records; left out: all of them.")
    scope: Scope = "all"
    survey: SurveyName | None = Field(None, description="Only answers to this survey.")
    since: Instant | None = Field(None, description="Only answers from this instant on; the trend is of all.")
    until: Instant | None = Field(None, description="Only answers before this instant.")
    months: Months = 12

    def about(self) -> Subject:
        """What the filter is about."""
        return Subject(self.subject)

    def asked(self) -> Asked:
        """The filter for the domain."""
        return Asked(columns=(), filter=self.filter, scope=self.scope)

    def given(self) -> frozenset[str]:
        """What was said, of what a view could say too."""
        return frozenset(self.model_fields_set) & {"filter", "scope"} | {"columns"}


class TallyOut(Wire):
    """How many of whom, and what they come to."""

    score: float | None = Field(ge=-100, le=100, description="Null where nobody answered.")
    responses: int = Field(description="Users who answered; of each the latest answer counts.")
    promoters: int
    passives: int
    detractors: int


class NpsMonth(Wire):
    """A month, in UTC."""

    month: str = Field(pattern="^[0-9]{4}-[0-9]{2}$", examples=["2026-03"])
    answered: TallyOut = Field(description="By what users answered last in this month.")
    standing: TallyOut = Field(description="By everybody's latest answer at the end of this month.")


class NpsOut(TallyOut):
    """A score, and how it came about."""

    last_at: Instant | None = Field(description="When the last of these answers was given.")
    trend: list[NpsMonth]


def tally(found: Tally) -> dict[str, Any]:
    """A tally, as its models take it."""
    score = found.score
    counts = {name: getattr(found, name) for name in ("responses", "promoters", "passives", "detractors")}
    return {**counts, "score": None if score is None else float(score)}


def figures(found: Figures) -> NpsOut:
    """A score as the wire shows it."""
    months = [
        NpsMonth(
            month=_month(one.month),
            answered=TallyOut.model_validate(tally(one.answered)),
            standing=TallyOut.model_validate(tally(one.standing)),
        )
        for one in found.trend
    ]
    return NpsOut.model_validate({**tally(found.tally), "last_at": found.tally.last_at, "trend": months})


def _month(first: date) -> str:
    return f"{first.year:04}-{first.month:02}"
