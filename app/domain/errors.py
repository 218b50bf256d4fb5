"""The closed set of things that can go wrong.

A feature subclasses one of the kinds below and adds a stable `code`. The first line of the class docstring is the
public title, the raised sentence is the public detail, keyword context is machine-readable data for the answer.
"""

from typing import Any, ClassVar, Final

HINDERED: Final = "Others kept writing the same rows; ask again."
"""What is said to who lost a race in the database."""


class DomainError(Exception):
    """Something went wrong."""

    code: ClassVar[str] = "error"

    def __init__(self, detail: str = "", **context: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.context = context

    @classmethod
    def title(cls) -> str:
        """The public one-line title: the first line of the docstring, without its full stop."""
        return (cls.__doc__ or cls.__name__).strip().splitlines()[0].rstrip(".")


class Malformed(DomainError):
    """The request cannot be read."""

    code = "malformed"


class NotFound(DomainError):
    """There is no such thing in this workspace."""

    code = "not_found"


class Conflict(DomainError):
    """The request contradicts the present state."""

    code = "conflict"


class Rejected(DomainError):
    """The request is understood but breaks a rule."""

    code = "rejected"


class Forbidden(DomainError):
    """The key may not do this."""

    code = "forbidden"


class Unauthenticated(DomainError):
    """The request carries no valid key."""

    code = "unauthenticated"


class TooMany(DomainError):
    """Too many requests."""

    code = "too_many"

    def __init__(self, detail: str = "", *, retry_after: int = 1, **context: Any) -> None:
        super().__init__(detail, **context)
        self.retry_after = retry_after


class Unavailable(DomainError):
    """Steward cannot do this right now; try again shortly."""

    code = "unavailable"

    def __init__(self, detail: str = "", *, retry_after: int = 2, **context: Any) -> None:
        super().__init__(detail, **context)
        self.retry_after = retry_after
