"""The wire contract of bulk edits: one change to many records, with progress and a result per record."""

from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator

from app.api.schemas.base import Instant, Page, WireId
from app.api.schemas.filters import Filter
from app.api.schemas.key_roles import AlgorithmName, MemberName, RoleName
from app.domain.bulk_edits import MOST_NAMED, MOST_RECORDS, SAMPLE, Result, State
from app.domain.wire import Wire
from app.services.assignment import MOST_CANDIDATES

BulkEditId = Annotated[UUID, WireId("bed")]
SubjectName = Literal["accounts", "users", "organizations"]
StatusName = Literal["subscribed", "trial", "churned", "ignored", "active", "deactivated"]
MOST_TRAITS = 50


class SetTraits(Wire):
    """Set traits to the same values everywhere; `null` clears one."""

    type: Literal["setTraits"]
    traits: dict[Annotated[str, Field(min_length=1, max_length=256)], Any] = Field(min_length=1, max_length=MOST_TRAITS)


class AssignKeyRole(Wire):
    """Give a key role to one member (`null`: to nobody), or deal accounts out to candidates."""

    type: Literal["assignKeyRole"]
    role: RoleName
    member: MemberName | None = None
    candidates: list[MemberName] | None = Field(None, min_length=1, max_length=MOST_CANDIDATES)
    algorithm: AlgorithmName | None = Field(None, description="How to choose among the candidates.")
    do_not_replace: bool = Field(default=False, description="Leave records alone where somebody holds the role.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if ("member" in self.model_fields_set) == (self.candidates is not None):
            raise ValueError("must name either a `member` or `candidates`")
        if (self.candidates is None) != (self.algorithm is None):
            raise ValueError("must name `candidates` together with an `algorithm`")
        return self


class AddToSegment(Wire):
    """Make records members of a segment, whatever its rule says."""

    type: Literal["addToSegment"]
    segment: Annotated[str, Field(max_length=80, description="`seg_…`")]


class RemoveFromSegment(Wire):
    """Take records out of a segment, whatever its rule says."""

    type: Literal["removeFromSegment"]
    segment: Annotated[str, Field(max_length=80, description="`seg_…`")]


class SetStatus(Wire):
    """Decide the status by hand; `null` hands it back to the rules."""

    type: Literal["setStatus"]
    status: StatusName | None


Action = Annotated[
    SetTraits | AssignKeyRole | AddToSegment | RemoveFromSegment | SetStatus, Field(discriminator="type")
]
RecordName = Annotated[str, Field(min_length=1, max_length=800)]


class BulkEditIn(Wire):
    """One change to many records: those named, or all that a filter keeps."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "subject": "accounts",
                    "filter": {"field": "mrr", "op": "atLeast", "value": 1000},
                    "action": {"type": "setTraits", "traits": {"tier": "enterprise"}},
                }
            ]
        }
    )

    subject: SubjectName
    ids: list[RecordName] | None = Field(
        None, min_length=1, max_length=MOST_NAMED, description="Ids of ours (`acc_…`) or your own."
    )
    filter: Filter | None = Field(
        None,
        description=(
            f"All matching records, {MOST_RECORDS:,} at most. Which they are is settled when the edit begins, so the "
            "edit may change what the filter asks about."
        ),
    )
    action: Action

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.ids is None) == (self.filter is None):
            raise ValueError("must name either `ids` or a `filter`")
        return self


class PreviewedRecord(Wire):
    """What a record would be changed from, and to. `changes`: whether the two differ."""

    id: str
    external_id: str
    name: str | None
    before: Any
    after: Any
    changes: bool


class BulkEditPreview(Wire):
    """What a bulk edit would do, if it were begun now."""

    count: int = Field(description="Records it would be about.")
    count_capped: bool = Field(description=f"Whether there are more than {MOST_RECORDS:,}: too many for one edit.")
    sample: list[PreviewedRecord] = Field(description=f"The first {SAMPLE} of them.")


class BulkEditFailure(Wire):
    """Why a bulk edit could not go on."""

    code: str
    detail: str


class BulkEditOut(Wire):
    """A bulk edit and how far it has come."""

    id: BulkEditId
    subject: SubjectName
    action: dict[str, Any] = Field(description="What is done, with the ids of what it names.")
    filter: dict[str, Any] | None
    state: State = Field(
        description="`waiting` until those before it are over, then `running`; `done`, `cancelled` or `failed` at last."
    )
    total: int = Field(description="Records it is about.")
    done: int = Field(description="Records gone through.")
    progress: float = Field(description="`done` as a share of `total`, from 0 to 1.", ge=0, le=1)
    changed: int
    unchanged: int = Field(description="Records that were so already.")
    failed: int
    error: BulkEditFailure | None = Field(description="Why it failed as a whole.")
    requested_by: str = Field(description="The member (`mem_…`) or key (`key_…`) that asked for it.")
    created_at: Instant
    started_at: Instant | None
    finished_at: Instant | None


class BulkEditRowOut(Wire):
    """What became of a record. `code` says why it failed, or `overruled` where a rule says otherwise."""

    id: str
    external_id: str | None = Field(description="null: the record has been deleted since.")
    name: str | None
    outcome: Result
    code: str | None


BulkEditPage = Page[BulkEditOut]
BulkEditRowPage = Page[BulkEditRowOut]
