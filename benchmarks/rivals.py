"""What ingestion is measured against: the same server storing nothing, and the same endpoint written plainly."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

import orjson
from fastapi import FastAPI, Request
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from app.db.base import normalise
from app.domain.ids import new_id
from app.domain.messages import AccountMessage, EventMessage, UserMessage, as_text, stamp
from app.domain.models import (
    Account,
    AccountActivity,
    AccountFacts,
    DirtyAccount,
    Event,
    Membership,
    MessageReceipt,
    OwnerClaim,
    User,
    UserActivity,
    UserDay,
)
from app.intake import reading
from app.intake.items import BatchIn
from app.settings import Settings


async def nothing(scope, receive, send):
    """Reads, parses, validates and translates exactly as the real endpoint does; then forgets it."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    reading.read_batch(body, now=datetime.now(UTC))
    answer = b'{"accepted":100}'
    headers = [(b"content-length", str(len(answer)).encode()), (b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


class Plain:
    """The endpoint as one would write it first: load a row, change it, add rows, commit once per request."""

    def __init__(self, db: AsyncSession, workspace_id: UUID) -> None:
        self.db = db
        self.workspace_id = workspace_id

    async def party(self, model, external_id: str):
        query = select(model).where(model.workspace_id == self.workspace_id, model.external_id == external_id)
        found = (await self.db.scalars(query.with_for_update())).one_or_none()
        if found is None:
            found = model(
                workspace_id=self.workspace_id, id=new_id(), external_id=external_id, traits={}, trait_stamps={}
            )
            self.db.add(found)
            if model is Account:
                self.db.add(AccountFacts(workspace_id=self.workspace_id, account_id=found.id))
            await self.db.flush()
        return found

    @staticmethod
    def learn(row, traits, at):
        for key, value in traits.items():
            mark = stamp(at, value)
            if mark > row.trait_stamps.get(key, -1):
                row.trait_stamps = row.trait_stamps | {key: mark}
                kept = {k: v for k, v in row.traits.items() if k != key}
                row.traits = kept if value is None else kept | {key: value}

    async def link(self, account, user, at):
        found = await self.db.get(Membership, (self.workspace_id, account.id, user.id))
        if found is None:
            self.db.add(
                Membership(
                    workspace_id=self.workspace_id,
                    account_id=account.id,
                    user_id=user.id,
                    linked=True,
                    changed_at=at,
                    first_linked_at=at,
                )
            )
            await self.db.flush()

    async def seen(self, account, user, at):
        w = self.workspace_id
        moves = await self.db.get(AccountActivity, (w, account.id))
        if moves is None:
            self.db.add(
                AccountActivity(workspace_id=w, account_id=account.id, first_seen_at=at, last_seen_at=at, events=1)
            )
        else:
            moves.first_seen_at, moves.last_seen_at = min(moves.first_seen_at, at), max(moves.last_seen_at, at)
            moves.events += 1
        mine = await self.db.get(UserActivity, (w, user.id))
        if mine is None:
            mine = UserActivity(workspace_id=w, user_id=user.id, first_seen_at=at, last_seen_at=at, sessions=0)
            self.db.add(mine)
        mine.first_seen_at, mine.last_seen_at = min(mine.first_seen_at, at), max(mine.last_seen_at, at)
        if await self.db.get(UserDay, (w, user.id, at.date())) is None:
            self.db.add(UserDay(workspace_id=w, user_id=user.id, day=at.date()))
            mine.sessions += 1
        await self.db.flush()

    async def take(self, item, now):
        w = self.workspace_id
        key = UUID(bytes=hashlib.blake2b(item.message_id.encode(), digest_size=16).digest())
        if await self.db.get(MessageReceipt, (w, key)) is not None:
            return
        self.db.add(MessageReceipt(workspace_id=w, message_hash=key, body_hash=0))
        message = item.to_domain(now, timedelta(0))
        match message:
            case AccountMessage():
                account = await self.party(Account, message.account)
                self.learn(account, message.traits, message.at)
                if "ownerId" in message.traits:
                    owner = message.traits["ownerId"]
                    self.db.add(
                        OwnerClaim(
                            workspace_id=w,
                            account_id=account.id,
                            trait_key="ownerId",
                            stamp=stamp(message.at, owner),
                            value=as_text(owner),
                        )
                    )
                self.db.add(DirtyAccount(workspace_id=w, account_id=account.id))
            case UserMessage():
                user = await self.party(User, message.user)
                self.learn(user, message.traits, message.at)
                for name in message.accounts:
                    await self.link(await self.party(Account, name), user, message.at)
            case EventMessage():
                account, user = await self.party(Account, message.account), await self.party(User, message.user)
                await self.link(account, user, message.at)
                await self.seen(account, user, message.at)
                self.db.add(
                    Event(
                        workspace_id=w,
                        occurred_at=message.at,
                        id=new_id(),
                        account_id=account.id,
                        user_id=user.id,
                        name=message.name,
                        properties=orjson.loads(message.properties),
                    )
                )
                self.db.add(DirtyAccount(workspace_id=w, account_id=account.id))


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    engine = create_async_engine(normalise(Settings().database_url), pool_size=8)
    app.state.sessions = async_sessionmaker(engine, expire_on_commit=False)
    yield
    await engine.dispose()


plainly = FastAPI(lifespan=_lifespan)


@plainly.post("/api/v1/batch")
async def batch(body: BatchIn, request: Request) -> dict[str, int]:
    """The plain endpoint; its workspace is named by a header, it checks no key."""
    async with request.app.state.sessions() as db, db.begin():
        plain = Plain(db, UUID(request.headers["authorization"].removeprefix("Bearer ")))
        for item in body.messages:
            await plain.take(item, datetime.now(UTC))
    return {"accepted": len(body.messages)}
