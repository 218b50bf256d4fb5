"""What came of a call, in words a tenant may read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

REASONS: Final = {
    "destination_not_allowed": "The destination is not one Steward calls.",
    "connection_failed": "No connection could be made, or it broke before the whole answer arrived.",
    "tls_failed": "The certificate or the TLS handshake failed.",
    "timed_out": "The whole answer did not arrive in time.",
    "redirect_not_followed": "The answer was a redirect; redirects are not followed.",
    "answer_not_understood": "The answer was not HTTP, or its head was too large.",
}
"""Everything a tenant is told about a call that failed beneath HTTP: no address, no name, no low-level error."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one call.

    `status` is None when no answer's head arrived; `error` is one of REASONS or None; `retry_after` is what the
    receiver asked for in seconds; `excerpt` is the beginning of the answer's body as text.
    """

    status: int | None
    error: str | None
    retry_after: float | None
    excerpt: str
    duration_ms: int

    @property
    def ok(self) -> bool:
        """Whether the receiver took it: a 2xx, arrived whole (or as much of it as we read)."""
        return self.error is None and self.status is not None and 200 <= self.status < 300

    @property
    def reason(self) -> str:
        """One public sentence on what happened."""
        return f"The receiver answered {self.status}." if self.error is None else REASONS[self.error]


_UNPRINTABLE: Final = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 127), "\ufffd")


def excerpt(body: bytes | bytearray, sent: Mapping[str, str]) -> str:
    """Bytes of any kind as text that can be stored and shown, without the credentials we sent."""
    text = body.decode(errors="replace").translate(_UNPRINTABLE)
    for name, value in sent.items():
        credential = value.rpartition(" ")[2]
        if name.lower() == "authorization" and credential:
            text = text.replace(credential, "****")
    return text
