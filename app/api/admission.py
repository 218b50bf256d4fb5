"""What every request goes through before a route sees it: head, load, key, rate, and only then its body."""

from app.api import bodies, cookies, cors, credentials, heads, lanes
from app.api.callers import REFUSED
from app.api.deps import State
from app.api.exchanges import Exchange, Receive
from app.api.heads import Head
from app.api.lanes import Lane
from app.api.refusals import RateLimited
from app.domain.keys import Caller, InvalidKey, MissingKey

STRANGERS_SECONDS = 10.0  # for a body whose sender is known only at its end
STRANGERS_PLAIN = 1024 * 1024  # that their bodies may have after gzip: inflating costs us more than it costs them


async def admit(exchange: Exchange, receive: Receive, state: State) -> Receive | None:
    """Check everything in this order; the `receive` to go on with, or None when the answer is given already."""
    scope = exchange.scope
    lane = lanes.lane_of(scope["path"], scope["method"])
    exchange.unread = True
    if lane is not None and lane.cors:
        exchange.headers += cors.headers(scope, state.settings.cors_origins)
    head = heads.read(scope)
    exchange.unread = head.announces_body
    if lane is None:
        return receive
    if lane.cors and scope["method"] == "OPTIONS":
        await cors.preflight(exchange.send)
        return None
    _set_path(exchange, lane)
    state.pressure.check(scope["method"])
    if lane.key_in_body and credentials.is_foreign(head.get(b"authorization")):
        return await _admit_stranger(exchange, receive, state, head, lane)
    if lane.keyless:
        return await _admit_nobody(exchange, receive, state, head, lane)
    authorization = head.get(b"authorization")
    if authorization is None and lane.cookies:
        authorization = cookies.read(head, scope["method"])
    caller = await state.callers.identify(authorization, lane.missing)
    await _welcome(exchange, caller, state)
    if not head.announces_body:
        return receive
    bodies.check_announced(head, lane, state.settings)
    exchange.hold = state.holds.open(caller.workspace_id)
    allowed = lane.bounds(state.settings)
    body = await bodies.collect(receive, exchange.hold, allowed.sent, state.settings.body_timeout_seconds)
    exchange.unread = False
    return bodies.replay(bodies.decode(head, body, exchange.hold, allowed.plain, lane.ratio), receive)


def _set_path(exchange: Exchange, lane: Lane) -> None:
    scope = exchange.scope
    scope["steward.lane"] = lane
    if (path := heads.routable(scope.get("raw_path") or b"")) is not None:
        scope["path"] = path
    if lane.forgives_slash and scope["path"].endswith("/"):
        scope["path"] = scope["path"].rstrip("/")


async def _welcome(exchange: Exchange, caller: Caller, state: State) -> None:
    """From here on the request is somebody's: it counts, and its answer says what is left."""
    exchange.scope["steward.caller"] = caller
    state.usage.note(caller)
    try:
        exchange.headers += await state.limiter.admit(caller)
    except RateLimited as error:
        exchange.headers += error.headers
        raise


async def _admit_stranger(exchange: Exchange, receive: Receive, state: State, head: Head, lane: Lane) -> Receive:
    """Read a body to learn whose it is. Few of these are read at once, so that nobody without a key can fill us."""
    if not head.announces_body:
        raise MissingKey(lane.missing)
    bodies.check_announced(head, lane, state.settings)
    exchange.hold = state.holds.open(None)
    allowed, seconds = lane.bounds(state.settings), min(STRANGERS_SECONDS, state.settings.body_timeout_seconds)
    sent = await bodies.collect(receive, exchange.hold, allowed.sent, seconds)
    exchange.unread = False
    body = bodies.decode(head, sent, exchange.hold, min(allowed.plain, STRANGERS_PLAIN), lane.ratio)
    caller = await _writer(body, state, lane)
    exchange.hold.close()
    exchange.hold = None
    await _welcome(exchange, caller, state)
    exchange.hold = state.holds.open(caller.workspace_id)
    exchange.hold.grow(len(body))
    return bodies.replay(body, receive)


async def _admit_nobody(exchange: Exchange, receive: Receive, state: State, head: Head, lane: Lane) -> Receive:
    """Read a small body of somebody who is about to say who they are. Few of these are read at once."""
    if not head.announces_body:
        return receive
    bodies.check_announced(head, lane, state.settings)
    exchange.hold = state.holds.open(None)
    allowed, seconds = lane.bounds(state.settings), min(STRANGERS_SECONDS, state.settings.body_timeout_seconds)
    sent = await bodies.collect(receive, exchange.hold, allowed.sent, seconds)
    exchange.unread = False
    return bodies.replay(bodies.decode(head, sent, exchange.hold, allowed.plain, lane.ratio), receive)


async def _writer(body: bytes, state: State, lane: Lane) -> Caller:
    """Whose `writeKey` a body has. It is parsed only when some real key is in it."""
    for secret in credentials.in_body(body):
        try:
            caller = await state.callers.behind(secret)
        except InvalidKey:
            continue
        if credentials.opens(body, secret):
            return caller
    if credentials.names_a_key(body):
        raise InvalidKey(REFUSED)
    raise MissingKey(lane.missing)
