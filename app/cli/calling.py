"""Calls Steward's public API for a command: the standard library, a key, and patience with what may be tried again."""

import http.client
import json
import time
from collections.abc import Iterator
from typing import Any, Final, Self
from urllib.parse import quote, urlsplit

from app.domain.errors import NotFound, Rejected, Unavailable

TRIES: Final = 8
TRY_LATER: Final = frozenset({408, 429, 500, 503})
LONGEST_PAUSE: Final = 30.0
SECONDS: Final = 60.0
PAGE: Final = 200


class Api:
    """One connection with one key. Every call may be repeated, and is, until it succeeds or is refused."""

    def __init__(self, url: str, key: str) -> None:
        parts = urlsplit(url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname or "", parts.port, timeout=SECONDS)
        self._base = f"{parts.path.rstrip('/')}/api/v1"
        self._key = key

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def call(self, method: str, path: str, body: dict[str, Any] | bytes | None = None) -> Any:
        """The answer's JSON, or None. Raises NotFound, Rejected (any other refusal) or Unavailable."""
        trouble = ""
        for attempt in range(TRIES):
            try:
                status, wait, text = self._exchange(method, path, body)
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()  # it opens anew by itself
                status, wait, trouble = 0, 0.0, str(error) or type(error).__name__
            if status and status not in TRY_LATER:
                return _read(status, text)
            trouble = f"status {status}" if status else trouble
            time.sleep(min(max(wait, 0.2 * 2**attempt), LONGEST_PAUSE) if attempt < TRIES - 1 else 0)
        raise Unavailable(f"Steward could not be reached in {TRIES} tries: {trouble}.")

    def rows(self, path: str, *, most: int) -> Iterator[dict[str, Any]]:
        """The first rows of a list."""
        cursor: str | None = ""
        while cursor is not None and most > 0:
            limit = min(PAGE, most)
            page = self.call("GET", f"{path}?limit={limit}" + (f"&cursor={quote(cursor)}" if cursor else ""))
            yield from page["data"]
            cursor, most = page["nextCursor"], most - limit

    def _exchange(self, method: str, path: str, body: dict[str, Any] | bytes | None) -> tuple[int, float, bytes]:
        content, payload = "application/octet-stream", body
        if not isinstance(payload, bytes | None):
            content, payload = "application/json", json.dumps(body).encode()
        headers = {"authorization": f"Bearer {self._key}", "content-type": content}
        self._connection.request(method, f"{self._base}{path}", payload, headers)
        response = self._connection.getresponse()
        wait = response.headers.get("retry-after", "")
        return response.status, float(wait) if wait.isdigit() else 0.0, response.read()


def _read(status: int, text: bytes) -> Any:
    if status < 300:
        return json.loads(text) if text else None
    try:
        detail = json.loads(text).get("detail", "")
    except (ValueError, AttributeError):
        detail = ""
    raise (NotFound if status == 404 else Rejected)(detail or f"Steward answered with {status}.")
