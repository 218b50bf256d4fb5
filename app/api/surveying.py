"""Survey links at the door: how they are made, and what strangers who come with one may ask how often."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b, sha256
from typing import Final
from uuid import UUID

from fastapi import Request

from app.api import buckets, entrance
from app.api.deps import State
from app.db.base import Session
from app.domain import suppression, survey_links
from app.domain.memory import Memory
from app.domain.survey_links import Pass
from app.domain.team import TooManyAttempts

PATH: Final = "/surveys/"
PER_LINK: Final = buckets.rate(60, 30)  # a form that is filled in, corrected and sent again
PER_ADDRESS: Final = buckets.rate(600, 300)  # an office, or a proxy that everybody comes through


def memory_of(state: State) -> Memory:
    """For taking in what names users: it remembers nothing but knows who must not come back."""
    settings = state.settings
    key = suppression.key(settings.secret_key.get_secret_value())
    return Memory(key, keeps_history=settings.trait_history_days > 0)


def _key(state: State) -> bytes:
    return survey_links.key(state.settings.secret_key.get_secret_value())


@dataclass(frozen=True, slots=True)
class Links:
    """Makes the links of a survey that end at the same time."""

    state: State
    request: Request
    workspace_id: UUID
    link_id: UUID
    expires_at: datetime

    def url(self, user_id: UUID) -> str:
        """A user's link."""
        what = Pass(self.workspace_id, self.link_id, user_id, self.expires_at)
        base = self.state.settings.public_url or str(self.request.base_url)
        return f"{base.rstrip('/')}{PATH}{survey_links.write(what, key=_key(self.state))}"


async def read(state: State, request: Request, token: str) -> Pass:
    """What a link says, once its sender has not come too often. Raises `TooManyAttempts`, `InvalidSurveyLink`.

    Guessing costs the guesser's address alone: nothing is read from the database for a token that is not ours.
    """
    host = entrance.network(request.client.host if request.client else "")
    await _count(state, f"survey-address:{host}", PER_ADDRESS)
    found = survey_links.read(token, key=_key(state), now=state.now())
    await _count(state, f"survey:{token}", PER_LINK)
    return found


async def _count(state: State, name: str, rate: buckets.Rate) -> None:
    wait = await state.limiter.attempt(UUID(bytes=sha256(name.encode()).digest()[:16]), rate)
    if wait:
        raise TooManyAttempts("Wait a little, then try again.", retry_after=wait)


@asynccontextmanager
async def transaction(state: State, found: Pass) -> AsyncIterator[Session]:
    """One transaction in the workspace of a link."""
    async with state.database.transaction(found.workspace_id) as db:
        yield db


def external_id(token: str) -> str:
    """One answer per link: what is sent through it again replaces what was sent before."""
    return f"link:{blake2b(token.encode(), digest_size=16).hexdigest()}"
