"""Speaks to Steward's public API as any script could: with the standard library and a key."""

import http.client
import json
import time
from collections.abc import Iterator, Mapping
from threading import local
from typing import Any, Final, Self
from urllib.parse import quote, urlsplit

from app.domain.errors import NotFound, Rejected, Unavailable

TRIES: Final = 6
TRY_LATER: Final = frozenset({429, 503})
PAUSE: Final = 0.3
SECONDS: Final = 30.0
ROWS: Final = 200

Body = Mapping[str, Any]


class Client:
    """A caller with one key; may be shared by threads, each of which keeps a connection of its own."""

    def __init__(self, url: str, key: str) -> None:
        self._parts = urlsplit(url)
        self._headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        self._own = local()
        self._open: list[http.client.HTTPConnection] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self._open:
            connection.close()

    def call(self, method: str, path: str, body: Body | None = None) -> Any:
        """The answer's JSON, or None when it has no body. Only for requests that may be repeated: it tries again.

        Raises NotFound, Rejected (any other refusal) or Unavailable.
        """
        trouble = ""
        for attempt in range(TRIES):
            if attempt:
                time.sleep(PAUSE * 2**attempt)
            try:
                status, text = self._exchange(method, path, body)
            except (OSError, http.client.HTTPException) as error:
                self._connection().close()  # it opens anew by itself
                trouble = str(error) or type(error).__name__
                continue
            if status not in TRY_LATER:
                return _read(status, text, f"{method} {path}")
            trouble = f"status {status}"
        raise Unavailable(f"{method} {path} did not succeed in {TRIES} tries: {trouble}.")

    def rows(self, path: str) -> Iterator[dict[str, Any]]:
        """Every row of a list, page by page."""
        cursor: str | None = ""
        while cursor is not None:
            page = self.call("GET", f"{path}?limit={ROWS}" + (f"&cursor={quote(cursor)}" if cursor else ""))
            yield from page["data"]
            cursor = page["nextCursor"]

    def _exchange(self, method: str, path: str, body: Body | None) -> tuple[int, bytes]:
        payload = None if body is None else json.dumps(body).encode()
        connection = self._connection()
        connection.request(method, f"{self._parts.path}/api/v1{path}", payload, self._headers)
        response = connection.getresponse()
        return response.status, response.read()

    def _connection(self) -> http.client.HTTPConnection:
        if not hasattr(self._own, "connection"):
            kind = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
            self._own.connection = kind(self._parts.hostname or "", self._parts.port, timeout=SECONDS)
            self._open.append(self._own.connection)
        connection: http.client.HTTPConnection = self._own.connection
        return connection


def _read(status: int, text: bytes, asked: str) -> Any:
    if status < 300:
        return json.loads(text) if text else None
    try:
        detail = json.loads(text).get("detail", "")
    except (ValueError, AttributeError):
        detail = ""
    kind = NotFound if status == 404 else Rejected
    raise kind(f"{asked} was answered with {status}. {detail}".strip())
