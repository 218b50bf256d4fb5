"""What the gate demands of a request, by the first segment of its path: one table, one line per surface.

A route finds its lane with `lanes.of(scope)`; its body arrives decompressed, in one piece, within `lane.bounds(…)`
and with a caller in `scope["steward.caller"]`. Which types of content, credentials and sizes a surface takes is said
here and nowhere else; what a body says is its dialect's business.
"""

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from app.settings import Settings

ASK: Final = "Send the key as `Authorization: Bearer stw_…`."
RATIO: Final = 100
KEYLESS_BYTES: Final = 16 * 1024


class Bounds(NamedTuple):
    """How much a body may have, in bytes: as sent, and without its compression."""

    sent: int
    plain: int


@dataclass(frozen=True, slots=True)
class Lane:
    """One surface. What is left at its default is how our own API is held."""

    first: str  # segment of the path
    json_only: bool = True  # whether Content-Type must say JSON; SDKs that send JSON call it text, a form, or nothing
    ratio: int | None = RATIO  # decompressed at most so many times what was sent
    tracking: bool = False  # whether bodies may be as large as SDKs make them
    forgives_slash: bool = False  # whether a slash at the path's end is ignored: a 404 or redirect loses data there
    key_in_body: bool = False  # whether `writeKey` in the body opens what no header opened
    cors: bool = False  # whether browsers of any site post here
    cookies: bool = False  # whether a browser's session is known by its cookie
    keyless: bool = False  # whether strangers are let in: those who are about to say who they are
    most: int = KEYLESS_BYTES  # bytes a stranger may send
    missing: str = ASK  # what a request without a key is told
    error_is_text: bool = False  # whether `error` in a problem is a sentence, as clients of that surface expect

    def bounds(self, settings: Settings) -> Bounds:
        """How large bodies may be on this lane."""
        if self.keyless:
            return Bounds(self.most, self.most)
        if self.tracking:
            return Bounds(settings.tracking_body_bytes, settings.tracking_body_bytes)
        return Bounds(settings.max_body_bytes, settings.max_decompressed_bytes)


OWN: Final = Lane("api", cookies=True)
ENTRANCE: Final = Lane("api", keyless=True)
FILES: Final = Lane("api", json_only=False, cookies=True)  # parts of files, which are what they are
TRACKING: Final = Lane(
    "v1", json_only=False, ratio=None, tracking=True, forgives_slash=True, key_in_body=True, cors=True
)
RUDDERSTACK: Final = Lane("rudderstack", json_only=False, ratio=None, tracking=True, forgives_slash=True)
ANALYTICS: Final = Lane(
    "analytics",
    json_only=False,
    ratio=None,
    tracking=True,
    forgives_slash=True,
    missing="Authorization header not present.",
    error_is_text=True,
)
SURVEYS: Final = Lane("surveys", json_only=False, keyless=True, cors=True, most=64 * 1024)
LANES: Final[Mapping[str, Lane]] = {lane.first: lane for lane in (OWN, TRACKING, RUDDERSTACK, ANALYTICS, SURVEYS)}


KEYLESS: Final = frozenset({("POST", "/api/v1/sessions"), ("POST", "/api/v1/invitations/accept")})
"""Where nobody can have a key or a session yet."""


def lane_of(path: str, method: str = "GET") -> Lane | None:
    """The lane a request belongs to; None where no key is asked for."""
    if (method, path) in KEYLESS:
        return ENTRANCE
    if path.startswith("/api/v1/imports/") and "/parts/" in path:
        return FILES
    return LANES.get(path[1:].partition("/")[0])


def hushed(path: str) -> str:
    """A path as it may stand in a log: a survey's link opens it to whoever reads the log."""
    return "/surveys/…" if path.startswith("/surveys/") else path


def of(scope: MutableMapping[str, Any]) -> Lane | None:
    """The lane of a request that passed the gate."""
    lane: Lane | None = scope.get("steward.lane")
    return lane
