"""The wire contract of survey links: what a stranger who has one sees, and may say."""

from pydantic import ConfigDict, Field

from app.api.schemas.base import Instant
from app.api.schemas.surveys import Answers, Feedback, Kind, QuestionIn, Score, TextsIn
from app.domain.asking import Reason
from app.domain.wire import Wire


class LinkedSurvey(Wire):
    """A survey as its link shows it. Nothing of the user is in it."""

    name: str
    kind: Kind
    texts: TextsIn
    questions: list[QuestionIn]
    ask: bool = Field(description="Whether the rules of the survey would show it to the user now.")
    reason: Reason
    expires_at: Instant = Field(description="When the link ends.")


class AnswerIn(Wire):
    """An answer through a link. Sent again it replaces the one before."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"score": 9, "feedback": "Saves us hours, every week"}]})

    score: Score | None = None
    feedback: Feedback | None = None
    answers: Answers = Field(default_factory=dict)


class Thanks(Wire):
    """It is taken."""

    thanks: str
    follow_up: str | None = Field(description="What to ask next, after this score; send it as `feedback`.")
