"""The pages a survey link shows in a browser: plain HTML that works without scripts, by keyboard, and read aloud."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from html import escape
from typing import Any, Final

from fastapi import Response

from app.domain.nps import LEAST, MOST

STYLE: Final = """
:root{color-scheme:light dark;--edge:#767676;--ink:#1a1a1a;--ground:#fff;--mark:#0b57d0}
@media (prefers-color-scheme:dark){:root{--edge:#9a9a9a;--ink:#f2f2f2;--ground:#161616;--mark:#a8c7fa}}
body{margin:0;background:var(--ground);color:var(--ink);font:1.0625rem/1.5 system-ui,sans-serif}
main{max-width:40rem;margin:0 auto;padding:2rem 1rem}
fieldset{border:0;margin:0 0 1.5rem;padding:0}
legend,label.above{display:block;font-weight:600;margin-bottom:.5rem;padding:0}
.scale{display:flex;flex-wrap:wrap;gap:.5rem}
.scale label{border:1px solid var(--edge);border-radius:.375rem;min-width:2.75rem;min-height:2.75rem;display:flex;
align-items:center;justify-content:center;gap:.25rem;cursor:pointer;box-sizing:border-box;padding:0 .375rem}
.scale label:focus-within,textarea:focus,input:focus,button:focus{outline:3px solid var(--mark);outline-offset:2px}
.ends{display:flex;justify-content:space-between;gap:1rem;font-size:.9375rem;margin:.5rem 0 0}
textarea,input[type=text],input[type=date],input[type=number]{width:100%;box-sizing:border-box;font:inherit;
padding:.5rem;border:1px solid var(--edge);border-radius:.375rem;background:inherit;color:inherit}
.option{display:flex;gap:.5rem;align-items:center;min-height:2.75rem}
button{font:inherit;font-weight:600;padding:.625rem 1.25rem;border:0;border-radius:.375rem;background:var(--mark);
color:var(--ground);cursor:pointer}
.wrong{border:2px solid #c5221f;border-radius:.375rem;padding:.75rem 1rem;margin:0 0 1.5rem}
"""
_HASH: Final = b64encode(sha256(STYLE.encode()).digest()).decode()
HEADERS: Final = {
    "cache-control": "no-store",
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "referrer-policy": "no-referrer",  # the address is the user's own
    "x-content-type-options": "nosniff",
    "x-robots-tag": "noindex, nofollow",
}
REQUIRED: Final = " (required)"

Row = Mapping[str, Any]


def _page(title: str, body: str, status: int = 200) -> Response:
    text = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>{body}</main></body></html>"
    )
    return Response(text.encode(), status, HEADERS, media_type="text/html; charset=utf-8")


def form(survey: Row, *, chosen: int | None = None, wrong: str | None = None, status: int = 200) -> Response:
    """The survey to be filled in; after something was wrong with it, with what that was."""
    parts = [f"<h1>{escape(survey['name'])}</h1>"]
    if wrong is not None:
        parts.append(f'<p class="wrong" role="alert">{escape(wrong)}</p>')
    parts.append('<form method="post">')
    if survey["kind"] == "nps":
        parts.append(_scale(survey["texts"], chosen))
    parts += [_question(one) for one in survey["questions"]]
    parts.append('<button type="submit">Send</button></form>')
    return _page(survey["name"], "".join(parts), status)


def thanks(survey: Row, follow_up: str | None, score: int | None) -> Response:
    """It is taken; after a score, with a place for words about it, which are sent with the same score."""
    parts = [f'<h1>{escape(survey["name"])}</h1><p role="status">{escape(survey["texts"]["thanks"])}</p>']
    if follow_up is not None:
        again = "" if score is None else f'<input type="hidden" name="score" value="{score}">'
        parts.append(
            f'<form method="post">{again}'
            f'<fieldset><label class="above" for="feedback">{escape(follow_up)}</label>'
            '<textarea id="feedback" name="feedback" rows="5" maxlength="5000"></textarea></fieldset>'
            '<button type="submit">Send</button></form>'
        )
    return _page(survey["name"], "".join(parts))


def refused(title: str, detail: str, status: int) -> Response:
    """What is wrong, where there is no survey to show."""
    return _page(title, f'<h1>{escape(title)}</h1><p role="alert">{escape(detail)}</p>', status)


def _scale(texts: Mapping[str, str], chosen: int | None) -> str:
    marks = "".join(
        f'<label><input type="radio" name="score" value="{one}" required{" checked" if one == chosen else ""}>'
        f"{one}</label>"
        for one in range(LEAST, MOST + 1)
    )
    low, high = escape(texts["low"]), escape(texts["high"])
    return (
        f'<fieldset aria-describedby="ends"><legend>{escape(texts["question"])}{REQUIRED}</legend>'
        f'<div class="scale">{marks}</div>'
        f'<p class="ends" id="ends"><span>0: {low}</span><span>10: {high}</span></p></fieldset>'
    )


def _question(one: Row) -> str:
    name, label = f"q.{one['key']}", escape(one["label"]) + (REQUIRED if one["required"] else "")
    if one["type"] == "choice":
        return f"<fieldset><legend>{label}</legend>{_options(name, one)}</fieldset>"
    id_ = f"q-{one['key']}"
    required = " required" if one["required"] else ""
    if one["type"] == "text":
        field = f'<textarea id="{id_}" name="{name}" rows="4" maxlength="5000"{required}></textarea>'
    else:
        step = ' step="any"' if one["type"] == "number" else ""
        field = f'<input id="{id_}" name="{name}" type="{one["type"]}"{step}{required}>'
    return f'<fieldset><label class="above" for="{id_}">{label}</label>{field}</fieldset>'


def _options(name: str, one: Row) -> str:
    kind = "checkbox" if one["several"] else "radio"
    required = " required" if one["required"] and kind == "radio" else ""
    options: Sequence[str] = one["options"]
    return "".join(
        f'<label class="option"><input type="{kind}" name="{name}" value="{escape(option)}"{required}>'
        f"{escape(option)}</label>"
        for option in options
    )
