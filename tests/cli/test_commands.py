"""The commands without a running Steward: they bring their own database, or say what is missing."""

import asyncio

import asyncpg
import pytest

from app.embedded import postgres

from .conftest import steward


def test_a_key_is_printed_alone_and_its_workspace_is_made_only_when_asked(place):
    refused = steward(place, "keys", "create", "--workspace", "acme", "--scope", "read")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "--create-workspace" in refused.stderr

    made = steward(place, "keys", "create", "--workspace", "acme", "--scope", "read", "--create-workspace")
    assert made.stdout.startswith("stw_live_rea_")
    assert made.stdout.count("\n") == 1

    again = steward(place, "keys", "create", "--workspace", "acme", "--scope", "ingest", "--scope", "read")
    assert again.stdout.startswith("stw_live_key_")


def test_an_invitation_is_printed_alone_for_a_workspace_that_exists(place):
    words = ("members", "invite", "--workspace", "acme", "--email", "dana@example.com")
    missing = steward(place, *words)
    steward(place, "keys", "create", "--workspace", "acme", "--scope", "admin", "--create-workspace")
    made = steward(place, *words)

    assert (missing.returncode, missing.stdout) == (2, "")
    assert made.stdout.startswith("stw_inv_"), made.stderr
    assert made.stdout.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--workspace", "main", "--scope", "write"], "there is no scope write"),
        (["--workspace", "Main!", "--scope", "read"], "cannot be a workspace's short name"),
    ],
)
def test_a_key_that_cannot_be_meant_is_refused_before_a_server_starts(place, words, sentence):
    refused = steward(place, "keys", "create", *words)
    assert (refused.returncode, sentence in refused.stderr) == (2, True)
    assert not place.exists()


@pytest.mark.parametrize("words", [["serve"], ["work"], ["demo", "load"]])
def test_without_a_database_the_way_out_is_named(place, words):
    refused = steward(place, *words)
    assert refused.returncode == 1
    assert "steward start" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_the_doctor_tries_the_embedded_servers_and_leaves_no_data(place):
    looked = steward(place, "doctor", STEWARD_PORT="0")
    assert looked.returncode == 0, looked.stdout
    assert "The embedded PostgreSQL starts." in looked.stdout
    assert not place.exists()


def test_the_doctor_names_what_is_broken(place):
    secret = "0123456789abcdefghijklmnopqrstuvwxyz"
    looked = steward(
        place,
        "doctor",
        STEWARD_DATABASE_URL="postgresql://nobody@127.0.0.1:9/none",
        STEWARD_REDIS_URL="redis://127.0.0.1:9",
        STEWARD_SECRET_KEY=secret,
        STEWARD_PORT="0",
    )
    assert looked.returncode == 1
    assert "BROKEN    The database cannot be reached" in looked.stdout
    assert "degraded  Redis cannot be reached" in looked.stdout
    assert secret not in looked.stdout


def test_a_database_of_your_own_needs_no_superuser(place):
    with postgres(place, fast=True) as url:
        asyncio.run(
            an_owner(url, "create role plain login createrole password 'plain'", "create database own owner plain")
        )
        own = f"postgresql://plain:plain@/own?{url.partition('?')[2]}"
        secret = "0123456789abcdefghijklmnopqrstuvwxyz"
        theirs = {"STEWARD_DATABASE_URL": own, "STEWARD_SECRET_KEY": secret, "STEWARD_PORT": "0"}
        assert steward(place, "migrate", **theirs).returncode == 0
        made = steward(
            place, "keys", "create", "--workspace", "own", "--create-workspace", "--scope", "admin", **theirs
        )
        assert (made.returncode, made.stdout[:13]) == (0, "stw_live_adm_"), made.stderr
        looked = steward(place, "doctor", **theirs)
        assert (looked.returncode, "BROKEN" in looked.stdout) == (0, False), looked.stdout


async def an_owner(url, *statements):
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    for statement in statements:
        await connection.execute(statement)
    await connection.close()
