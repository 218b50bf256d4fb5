"""The wire contract of surveys: what they ask, when they show themselves, their links and responses."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, JsonValue

from app.api.schemas.accounts import UserId
from app.api.schemas.base import Instant, Name, Page, WireId
from app.domain.asking import Display, Reason
from app.domain.surveys import (
    LONGEST_FEEDBACK,
    MOST_QUESTIONS,
    TEXTS,
    Question,
    QuestionType,
)
from app.domain.wire import Wire
from app.intake.items import ExternalId

SurveyId = Annotated[UUID, WireId("srv")]
ResponseId = Annotated[UUID, WireId("rsp")]
Slug = Annotated[
    str, Field(pattern="^[a-z][a-z0-9_]{0,39}$", description="Names the survey in paths, for good.", examples=["nps"])
]
Kind = Annotated[
    Literal["nps", "custom"], Field(description="`nps` asks for a score from 0 to 10; `custom` only its questions.")
]
Text = Annotated[str, Field(min_length=1, max_length=500)]
Feedback = Annotated[str, Field(max_length=LONGEST_FEEDBACK)]
Answers = Annotated[
    dict[str, JsonValue],
    Field(
        max_length=MOST_QUESTIONS,
        description="By the key of the question: text, a day such as 2026-01-31, a number, an option or several.",
    ),
]
Score = Annotated[int, Field(ge=0, le=10, description="0 to 6: detractor; 7 and 8: passive; 9 and 10: promoter.")]


class TextsIn(Wire):
    """What is shown; what is left out is shown in words of ours."""

    question: Text = TEXTS["question"]
    low: Text = Field(TEXTS["low"], description="What 0 means.")
    high: Text = Field(TEXTS["high"], description="What 10 means.")
    follow_up_promoter: Text = Field(TEXTS["follow_up_promoter"], description="Asked after 9 or 10.")
    follow_up_passive: Text = Field(TEXTS["follow_up_passive"], description="Asked after 7 or 8.")
    follow_up_detractor: Text = Field(TEXTS["follow_up_detractor"], description="Asked after 0 to 6.")
    thanks: Text = TEXTS["thanks"]

    def said(self) -> dict[str, str]:
        """What was named."""
        return {name: getattr(self, name) for name in TEXTS if name in self.model_fields_set}


class DisplayIn(Wire):
    """When the survey shows itself to a user."""

    minimum_age_days: int = Field(
        0, ge=0, le=3650, description="Days since the trait `createdAt`, or else since the user was first seen."
    )
    minimum_sessions: int = Field(0, ge=0, le=10_000, description="Sessions the user had; there is one a day at most.")
    most_sessions: int | None = Field(
        None, ge=1, le=365, description="In how many sessions it is shown until it is answered; null: in all."
    )
    again_months: int | None = Field(
        3,
        ge=0,
        le=120,
        description="Months before asking again, after an answer, a dismissal or `mostSessions` of it; null: never.",
    )
    gated: bool = Field(default=False, description="Ask only those whom a playbook lets in.")

    def to_domain(self) -> Display:
        """The same for the rules."""
        return Display(**self.model_dump(by_alias=False))


class QuestionIn(Wire):
    """One question."""

    key: Slug
    label: Text
    type: QuestionType
    options: list[Text] = Field(default_factory=list, max_length=100, description="Of a choice.")
    several: bool = Field(default=False, description="Of a choice: whether more than one may be chosen.")
    required: bool = False

    def to_domain(self) -> Question:
        """The same for the rules."""
        return Question(**{**self.model_dump(by_alias=False), "options": tuple(self.options)})


Questions = Annotated[list[QuestionIn], Field(max_length=MOST_QUESTIONS)]


class SurveyIn(Wire):
    """A survey."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "kind": "nps",
                    "name": "Relationship NPS",
                    "slug": "relationship",
                    "display": {"minimumAgeDays": 30, "minimumSessions": 5, "mostSessions": 3, "againMonths": 6},
                    "texts": {"question": "How likely are you to recommend Acme to a colleague?"},
                },
                {
                    "kind": "custom",
                    "name": "Onboarding",
                    "questions": [
                        {
                            "key": "goal",
                            "label": "What do you want to do first?",
                            "type": "choice",
                            "options": ["Report", "Share", "Automate"],
                            "required": True,
                        },
                        {"key": "by", "label": "By when?", "type": "date"},
                    ],
                },
            ]
        }
    )

    kind: Kind = "nps"
    name: Name
    slug: Slug | None = Field(None, description="Names the survey in paths, for good; left out: made of the name.")
    description: Annotated[str, Field(max_length=1000)] | None = None
    texts: TextsIn = Field(default_factory=TextsIn)
    display: DisplayIn = Field(default_factory=DisplayIn)
    questions: Questions = Field(default_factory=list)


class SurveyPatch(Wire):
    """What to change; what is left out stays. `texts`, `display` and `questions` are replaced as a whole."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "NPS, twice a year"}]})

    name: Name | None = None
    description: Annotated[str, Field(max_length=1000)] | None = None
    texts: TextsIn | None = None
    display: DisplayIn | None = None
    questions: Questions | None = None

    def changes(self) -> dict[str, Any]:
        """What was named, as it is stored."""
        found: dict[str, Any] = {}
        if self.name is not None:
            found["name"] = self.name
        if "description" in self.model_fields_set:
            found["description"] = self.description
        if self.texts is not None:
            found["texts"] = self.texts.said()
        if self.display is not None:
            found["display"] = self.display.model_dump(by_alias=False)
        if self.questions is not None:
            found["questions"] = [one.model_dump(by_alias=False) for one in self.questions]
        return found


class SurveyOut(Wire):
    """A survey."""

    id: SurveyId
    slug: str
    kind: Kind
    name: str
    description: str | None
    texts: TextsIn
    display: DisplayIn
    questions: list[QuestionIn]
    version: int
    created_at: Instant
    updated_at: Instant
    archived_at: Instant | None


SurveyPage = Page[SurveyOut]


class AskOut(Wire):
    """Whether a user may be asked now, and with which words."""

    ask: bool = Field(description="Show the survey now.")
    reason: Reason = Field(description="Why; `due` where `ask` is true.")
    since: Instant | None = Field(description="From when on the clock alone would let them be asked, where it would.")
    survey: SurveyOut


class ShownOut(Wire):
    """It is noted."""

    ask: bool = Field(description="Whether they would be asked once more in this session.")


class LinksIn(Wire):
    """Whom to make links for."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"users": ["user-1"], "days": 30}]})

    users: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=800, description="`usr_…` or your own id.")]],
        Field(min_length=1, max_length=1000),
    ]
    days: int = Field(30, ge=1, le=400, description="How long the links work.")


class LinkOut(Wire):
    """A link of one user's own: whoever has it answers for them."""

    user: str = Field(description="As it was asked for.")
    user_id: UserId | None = Field(description="Null: there is no such user.")
    url: str | None = Field(description="Shows the survey, and takes the answer.")
    expires_at: Instant | None


class LinksOut(Wire):
    """The links, in the order they were asked for."""

    data: list[LinkOut]


class ResponseIn(Wire):
    """What a user answered."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"userId": "user-1", "score": 9, "respondedAt": "2026-03-01T09:30:00Z", "externalId": "a-1"}]
        }
    )

    user_id: ExternalId = Field(description="`usr_…` or your own id; an id of your own that is new makes the user.")
    score: Score | None = Field(None, description="Of NPS surveys, and of no other.")
    feedback: Feedback | None = None
    answers: Answers = Field(default_factory=dict)
    responded_at: Instant | None = Field(None, description="Left out: now.")
    external_id: ExternalId | None = Field(
        None, description="Your own id of the response: sent again, it is replaced, unless it is the newer one."
    )


class Respondent(Wire):
    """Who answered, in short."""

    external_id: str
    name: str | None
    email: str | None


class SurveyResponseOut(Wire):
    """A response. With `dismissedAt` the user would not answer."""

    id: ResponseId
    survey_id: SurveyId
    survey: str = Field(description="The survey's slug.")
    user_id: UserId
    user: Respondent
    external_id: str | None
    score: int | None
    feedback: str | None
    answers: dict[str, JsonValue]
    responded_at: Instant | None
    dismissed_at: Instant | None
    source: str = Field(description="`api`, `import` or `link`.")
    created_at: Instant
    updated_at: Instant


SurveyResponsePage = Page[SurveyResponseOut]


def response(row: Mapping[str, Any]) -> dict[str, Any]:
    """A response's row, as its model takes it."""
    who = {name: row[f"user_{name}"] for name in ("external_id", "name", "email")}
    return {**row, "survey": row["slug"], "user": who}
