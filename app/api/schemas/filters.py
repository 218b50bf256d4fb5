"""The wire contract of filters, and of the facts they may name. What a filter means is decided in the domain."""

from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, GetJsonSchemaHandler, TypeAdapter
from pydantic.config import JsonDict
from pydantic.json_schema import JsonSchemaValue

from app.domain.fields import LONGEST_EVENT_NAME, Op, Quantity, Type
from app.domain.filters.operands import LONGEST_LIST
from app.domain.filters.reading import DEEPEST, LONGEST_WINDOW, MOST_COUNTED, MOST_LEAVES
from app.domain.wire import Wire

Reading = Literal["text", "number", "datetime", "boolean"]

EXAMPLE: Final[JsonDict] = {
    "all": [
        {"field": "mrr", "op": "greaterThan", "value": 100},
        {"field": "owner.lastSeenAt", "op": "moreThanDaysAgo", "value": 7},
    ]
}


class Condition(Wire):
    """One condition. It is true or false for every record: on a missing value it is false, its negation true."""

    field: str = Field(description="A path listed by `GET /facts`, such as `owner.lastSeenAt` or `traits.plan`.")
    op: Op
    value: Any = Field(None, description=f"What to compare with; a list has at most {LONGEST_LIST} values.")
    type: Reading | Literal["list"] | None = Field(
        None, description="How to read a trait, where operator and value do not already say it."
    )


class Related(Wire):
    """How many related records there must be that satisfy a filter of their own: "at least 3 users who …"."""

    related: str = Field(description="A relation listed by `GET /facts`, such as `users`.")
    op: Quantity
    count: int | None = Field(None, ge=0, le=MOST_COUNTED, description="How many; left out with `none`.")
    where: "FilterTree | None" = Field(None, description="Which of them count; left out: all of them.")


class Happened(Wire):
    """How often an event must have been counted for the record: "at least 3 times in the last 30 days"."""

    event: str = Field(description="The event's name, as it is sent.", max_length=LONGEST_EVENT_NAME)
    op: Quantity
    count: int | None = Field(None, ge=0, le=MOST_COUNTED, description="How often; left out with `none`.")
    in_last_days: int | None = Field(
        None, ge=1, le=LONGEST_WINDOW, description="Days of UTC, today among them; left out: ever."
    )


class AllOf(Wire):
    """Every part must hold."""

    all: list["FilterTree"] = Field(max_length=MOST_LEAVES)


class AnyOf(Wire):
    """At least one part must hold."""

    any: list["FilterTree"] = Field(max_length=MOST_LEAVES)


class NotOf(Wire):
    """The part must not hold."""

    not_: "FilterTree" = Field(alias="not")


FilterTree = AllOf | AnyOf | NotOf | Related | Happened | Condition
for _model in (AllOf, AnyOf, NotOf, Related):
    _model.model_rebuild()


class _Documented:
    """Shows the shape of a filter while leaving its reading to the domain, which points at what is wrong."""

    def __get_pydantic_json_schema__(self, _schema: Any, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {
            **handler(TypeAdapter(FilterTree).core_schema),
            "description": f"Conditions and groups: up to {MOST_LEAVES} conditions, nested up to {DEEPEST} deep.",
            "examples": [EXAMPLE],
        }


Filter = Annotated[dict[str, Any], _Documented()]


class FactOut(Wire):
    """One fact: what may be filtered, sorted and shown by its path."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "path": "owner.lastSeenAt",
                    "label": "Owner: Last seen",
                    "type": "datetime",
                    "operators": ["before", "after", "on", "between", "moreThanDaysAgo", "isSet", "isNotSet"],
                    "options": [],
                    "prefix": None,
                    "nullable": True,
                    "sortable": True,
                    "observed": [],
                }
            ]
        }
    )

    path: str
    label: str
    type: Type
    operators: list[Op]
    options: list[str] = Field(description="The values a `select` can have.")
    prefix: str | None = Field(description="How the ids begin that it is compared with, such as `mem` or `seg`.")
    nullable: bool = Field(description="Whether the value can be missing.")
    sortable: bool
    observed: list[str] = Field(description="For a trait: the kinds of values seen in the latest records.")


class RelationOut(Wire):
    """Records that a condition can count."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "users", "label": "Users"}]})

    name: str
    label: str


class FactsOut(Wire):
    """The catalogue, then the traits seen in the workspace's latest records, the most common first (up to 200); and
    the relations whose records can be counted."""

    data: list[FactOut]
    related: list[RelationOut]
