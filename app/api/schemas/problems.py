"""How every refusal looks: RFC 9457, with the members other vendors' clients read as well."""

from pydantic import Field

from app.domain.wire import Wire


class FieldProblem(Wire):
    """One thing wrong with one place in the request."""

    pointer: str = Field(
        description="Where: `#/a/b` in the body, `query:name`, `path:name` or `header:name`.",
        examples=["#/name"],
    )
    detail: str = Field(description="What is wrong with it.", examples=["Field required"])
    column: int | None = Field(None, description="Of a filter written as one line: where in it, from 1.")


class Problem(Wire):
    """What went wrong. `code` is stable and meant for programs, `detail` for people."""

    type: str = Field(description="Identifies the kind of problem; the same for every answer with this `code`.")
    title: str = Field(description="The kind of problem in a sentence.")
    status: int = Field(description="The HTTP status, again.")
    detail: str = Field(description="What went wrong this time.")
    instance: str | None = Field(None, description="The path that was asked for.")
    code: str = Field(description="Stable identifier, listed in the documentation.", examples=["invalid_request"])
    error: str = Field(description="Same as `code`.")
    message: str = Field(description="Same as `detail`.")
    request_id: str = Field(description="Same as the X-Request-Id header; name it when you report a problem.")
    context: dict[str, object] | None = Field(None, description="Data about the problem, depending on `code`.")
    errors: list[FieldProblem] | None = Field(None, description="The first twenty places that are wrong.")
