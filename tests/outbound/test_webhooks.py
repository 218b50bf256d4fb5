"""Signed webhooks, verified by the library receivers use."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta, timezone

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from app.outbound.addresses import Allow
from app.outbound.http import Client
from app.outbound.webhooks import headers, is_secret, new_secret
from tests.receivers import Receiver

BODY = '{"type":"account.owner_changed","data":{"name":"Zoë 🦊 Müller"}}'.encode()
SECRET, OTHER = new_secret(), new_secret()


def now() -> datetime:
    return datetime.now(UTC)


def test_a_good_message_verifies():
    assert Webhook(SECRET).verify(BODY, headers("msg_1", BODY, [SECRET], now=now()))["type"] == "account.owner_changed"


def test_the_published_vector():
    signed = headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        b'{"test": 2432232314}',
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        now=datetime.fromtimestamp(1614265330, UTC),
    )
    assert signed["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert signed["webhook-timestamp"] == "1614265330"


def test_the_signature_is_over_exactly_the_bytes_sent():
    at = datetime(2026, 11, 22, 12, 0, 0, 999_999, tzinfo=UTC)
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    text = b"msg_1." + str(int(at.timestamp())).encode() + b"." + BODY
    by_hand = base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
    assert headers("msg_1", BODY, [SECRET], now=at)["webhook-signature"] == f"v1,{by_hand}"


def test_the_time_zone_of_now_does_not_matter():
    at = now()
    elsewhere = at.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert headers("msg_1", BODY, [SECRET], now=at) == headers("msg_1", BODY, [SECRET], now=elsewhere)


@pytest.mark.parametrize(
    "change", [{"webhook-id": "msg_2"}, {"webhook-timestamp": "0"}, {"webhook-signature": "v1,AAAA"}]
)
def test_an_altered_header_is_noticed(change):
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(BODY, headers("msg_1", BODY, [SECRET], now=now()) | change)


def test_an_altered_byte_is_noticed():
    signed = headers("msg_1", BODY, [SECRET], now=now())
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(BODY.replace(b"owner", b"0wner"), signed)


@pytest.mark.parametrize("seconds", [-301, 302])  # signed in whole seconds: a second more on the far side
def test_an_old_or_future_message_is_refused(seconds):
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(BODY, headers("msg_1", BODY, [SECRET], now=now() + timedelta(seconds=seconds)))


def test_either_secret_is_enough_while_one_is_being_rotated():
    signed = headers("msg_1", BODY, [SECRET, OTHER], now=now())
    assert len(signed["webhook-signature"].split(" ")) == 2
    Webhook(SECRET).verify(BODY, signed)
    Webhook(OTHER).verify(BODY, signed)
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(BODY, signed)


def test_two_attempts_share_the_id_and_nothing_else():
    first = headers("msg_1", BODY, [SECRET], now=now())
    second = headers("msg_1", BODY, [SECRET], now=now() + timedelta(seconds=5))
    assert first["webhook-id"] == second["webhook-id"]
    assert first["webhook-timestamp"] != second["webhook-timestamp"]
    assert first["webhook-signature"] != second["webhook-signature"]


@pytest.mark.parametrize(("message_id", "secrets"), [("", [SECRET]), ("a.b", [SECRET]), ("msg_1", [])])
def test_a_message_that_could_not_be_verified_is_not_signed(message_id, secrets):
    with pytest.raises(ValueError, match="without dots"):
        headers(message_id, BODY, secrets, now=now())


def test_secrets_are_fresh_and_recognised():
    made = {new_secret() for _ in range(100)}
    assert len(made) == 100
    assert all(is_secret(secret) for secret in made)


@pytest.mark.parametrize(("size", "usable"), [(0, False), (23, False), (24, True), (64, True), (65, False)])
def test_a_secret_has_24_to_64_bytes(size, usable):
    assert is_secret("whsec_" + base64.b64encode(b"k" * size).decode()) is usable


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_***", "whsk_" + "A" * 44, "A" * 44, "whsec_é"])
def test_other_text_is_no_secret(text):
    assert not is_secret(text)


async def test_what_arrives_verifies_byte_for_byte():
    async with Receiver() as hook, Client(Allow.of([hook.host])) as client:
        outcome = await client.post(hook.url, BODY, headers("msg_1", BODY, [SECRET, OTHER], now=now()))

    assert outcome.ok
    arrived = hook.requests[0]
    assert arrived.body == BODY
    assert arrived.headers["content-type"] == "application/json"
    Webhook(OTHER).verify(arrived.body, arrived.headers)
