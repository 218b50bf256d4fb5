"""The wire contract of imports: files of accounts, users or events on their way in."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from app.api.schemas.base import Instant, Page, WireId
from app.domain.wire import Wire

ImportId = Annotated[UUID, WireId("imp")]
Kind = Literal["accounts", "users", "events", "nps_responses"]
Format = Literal["csv", "jsonl"]
State = Literal["uploading", "checking", "checked", "running", "done", "cancelled", "failed"]
Mapping = Annotated[
    dict[Annotated[str, Field(min_length=1, max_length=256)], Annotated[str, Field(max_length=300)]],
    Field(
        max_length=500,
        description=(
            "Which field a column of a CSV file feeds: `accountId`, `email`, `traits.plan` … or nothing (an empty "
            "text). Columns not named here are recognised by their names; what is left are traits, or of events "
            "properties. `:text` at the end of a trait keeps cells that look like numbers as text."
        ),
    ),
]
NullText = Annotated[
    str | None,
    Field(min_length=1, max_length=100, description="Cells with this very text clear a trait; empty ones say nothing."),
]


class ImportIn(Wire):
    """A file to be imported. Its bytes follow in parts."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "kind": "accounts",
                    "format": "csv",
                    "filename": "accounts.csv",
                    "mapping": {"Company": "accountId", "Internal note": ""},
                }
            ]
        }
    )

    kind: Kind = Field(description="What each row is.")
    format: Format = "csv"
    filename: str = Field("", max_length=200, description="For people to recognise it by.")
    sha256: str | None = Field(
        None,
        pattern="^[0-9a-f]{64}$",
        description=(
            "Of the whole file. The answer is then the unfinished import of this very file, if there is one, and what "
            "arrives different is refused."
        ),
    )
    mapping: Mapping = Field(default_factory=dict)
    null_text: NullText = None


class ImportPatch(Wire):
    """Another way to read the columns; what is left out stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"mapping": {"Company": "accountId"}}]})

    mapping: Mapping = Field(default_factory=dict)
    null_text: NullText = None

    def changes(self) -> dict[str, Any]:
        """What was named."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class ColumnOut(Wire):
    """A column of the file and what it feeds."""

    column: str
    field: str | None = Field(description="Such as `accountId` or `traits.plan`; null: nothing.")


class ImportFailure(Wire):
    """Why an import could not go on."""

    code: str
    detail: str


class ImportOut(Wire):
    """A file on its way in, and how far it has come. In a check, `accepted` counts rows that could be taken."""

    id: ImportId
    kind: Kind
    format: Format
    filename: str
    sha256: str | None = Field(description="Of the file: as announced, or once it is read, as it is.")
    mapping: dict[str, str]
    null_text: str | None
    state: State = Field(
        description=(
            "`uploading` -> `checking` -> `checked` -> `running` -> `done`; checking may be left out. `failed` and "
            "`checked` may be started again; `cancelled` is final."
        )
    )
    parts: int = Field(description="Parts of the file that are here.")
    bytes_total: int = Field(description="Their bytes.")
    bytes_done: int = Field(description="Bytes of the file gone through.")
    progress: float = Field(description="`bytesDone` as a share of `bytesTotal`, from 0 to 1.", ge=0, le=1)
    rows_read: int
    accepted: int
    duplicates: int = Field(description="Rows that had been taken before: nothing was doubled.")
    suppressed: int = Field(description="About a user or account that was deleted; nothing of these was stored.")
    rejected: int = Field(description="Rows with an error; the first 10,000 are listed under `errors`.")
    rows_per_second: float | None
    columns: list[ColumnOut] | None = Field(description="What was found in a CSV file, once it has been looked at.")
    error: ImportFailure | None = Field(description="Why it failed.")
    created_at: Instant
    started_at: Instant | None
    finished_at: Instant | None


class ImportErrorOut(Wire):
    """A row that was not taken."""

    row: int = Field(description="As a spreadsheet counts: the header is row 1. In JSON Lines, the number of the line.")
    code: str
    column: str | None = Field(description="The column to blame, where it is known.")
    pointer: str | None = Field(description="The place in the message that the row became.")
    detail: str
    excerpt: str = Field(description="The beginning of the row.")


ImportPage = Page[ImportOut]
ImportErrorPage = Page[ImportErrorOut]
