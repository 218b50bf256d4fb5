"""The headers every answer to a known caller carries, as the description of the API shows them."""

from typing import Any, Final

_TEXT: Final = {"type": "string"}
_WHOLE: Final = {"type": "integer", "minimum": 0}

_ABOUT: Final = {
    "RateLimit-Policy": ('The limit: `"default";q=<requests>;w=60`.', _TEXT),
    "RateLimit": ('What is left of it: `"default";r=<requests>;t=<seconds until there is more>`.', _TEXT),
    "RateLimit-Limit": ("Requests a minute, and the window in seconds.", _TEXT),
    "RateLimit-Remaining": ("Requests that may be sent at once, now.", _WHOLE),
    "RateLimit-Reset": ("Seconds until one more may be sent.", _WHOLE),
    "X-RateLimit-Limit": ("Requests a minute.", _WHOLE),
    "X-RateLimit-Remaining": ("The same as `RateLimit-Remaining`.", _WHOLE),
    "X-RateLimit-Reset": ("When one more may be sent, as Unix time in seconds.", _WHOLE),
}

HEADERS: Final[dict[str, Any]] = {
    name: {"description": text, "schema": schema} for name, (text, schema) in _ABOUT.items()
}
REFERENCES: Final[dict[str, Any]] = {name: {"$ref": f"#/components/headers/{name}"} for name in HEADERS}


def add(responses: dict[str, Any]) -> None:
    """Say of every answer a route gives itself that it has them."""
    for response in responses.values():
        if "$ref" not in response:
            response["headers"] = {**response.get("headers", {}), **REFERENCES}
