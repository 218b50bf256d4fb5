"""What can be wrong with a place a tenant asks us to call."""

from app.domain.errors import Rejected


class DestinationNotAllowed(Rejected):
    """Steward does not call this destination."""

    code = "destination_not_allowed"
