"""What is refused for the way it was sent, before anyone looks at what it says."""

from app.domain.errors import DomainError, Malformed, TooMany, Unavailable


class BadRequest(Malformed):
    """The request is not valid HTTP for this service."""

    code = "bad_request"


class BadEncoding(Malformed):
    """The compressed body cannot be read."""

    code = "invalid_compression"


class NoSuchRoute(DomainError):
    """There is nothing at this address."""

    code = "route_not_found"


class MethodNotAllowed(DomainError):
    """This address does not know that method."""

    code = "method_not_allowed"


class SlowBody(DomainError):
    """The body took too long to arrive."""

    code = "request_timeout"


class SlowHead(SlowBody):
    """The head of the request took too long to arrive."""


class PayloadTooLarge(DomainError):
    """The body is too large."""

    code = "payload_too_large"


class UriTooLong(DomainError):
    """The address is too long."""

    code = "uri_too_long"


class UnsupportedMediaType(DomainError):
    """The body is not JSON."""

    code = "unsupported_media_type"


class UnsupportedContentEncoding(DomainError):
    """The body is compressed in a way that is not read here."""

    code = "unsupported_content_encoding"


class HeadTooLarge(DomainError):
    """The request's headers are too large."""

    code = "headers_too_large"


class RateLimited(TooMany):
    """The key has sent more requests than it may."""

    code = "rate_limited"
    headers: list[tuple[bytes, bytes]]


class TooManyConcurrent(TooMany):
    """The workspace has too many requests in flight."""

    code = "too_many_concurrent"


class Saturated(Unavailable):
    """Steward has more to do than it can; try again shortly."""

    code = "overloaded"


class Internal(DomainError):
    """Something went wrong on our side."""

    code = "internal_error"


class InvalidRequest(DomainError):
    """The request does not have the expected form."""

    code = "invalid_request"
