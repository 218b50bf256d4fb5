"""The embedded PostgreSQL keeps data, refuses a second user of its folder, and never outlives its parent."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import asyncpg
import pytest

from app.embedded import CannotStart, binaries, identity, postgres
from app.embedded.postgres import made_by
from tests.processes import gone, users_of

from .conftest import serving

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def ask(url, *statements):
    """The value of the last statement."""

    async def asking():
        connection = await asyncpg.connect(url.replace("+asyncpg", ""))
        try:
            for statement in statements:
                value = await connection.fetchval(statement)
            return value
        finally:
            await connection.close()

    return asyncio.run(asking())


def test_it_serves_the_newest_bundled_version_on_a_private_socket_only(folder):
    with postgres(folder, fast=True) as url:
        assert ask(url, "SHOW listen_addresses") == ""
        assert ask(url, "SHOW server_version").startswith("18.")
        assert ask(url, "SELECT current_database() || current_user") == "stewardsteward"
        assert ask(url, "SELECT datlocprovider::text FROM pg_database WHERE datname = 'steward'") == "b"
        assert ask(url, "SELECT rolpassword FROM pg_authid WHERE rolname = 'steward'").startswith("SCRAM-SHA-256")
        with pytest.raises(asyncpg.InvalidPasswordError):
            ask(url.replace("steward:", "steward:x"), "SELECT 1")
        assert (folder.stat().st_mode & 0o777, (folder / "postgres").stat().st_mode & 0o777) == (0o700, 0o700)
        assert (folder / "postgres.password").stat().st_mode & 0o777 == 0o600
    assert gone(folder)


def test_data_survives_a_restart(folder):
    with postgres(folder, fast=True) as url:
        ask(url, "CREATE TABLE kept AS SELECT 42 AS answer")
    with postgres(folder, fast=True) as again:
        assert again == url
        assert ask(again, "SELECT answer FROM kept") == 42


@linux
def test_a_killed_parent_leaves_no_process_and_its_data_opens_again(folder):
    with serving(folder) as (parent, urls):
        ask(urls.split()[0], "CREATE TABLE kept AS SELECT 42 AS answer")
        assert len(users_of(folder)) > 3
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        with postgres(folder, fast=True) as url:  # at once: what is left of the old server is waited for
            assert ask(url, "SELECT answer FROM kept") == 42
    assert gone(folder)


@linux
def test_a_killed_server_and_a_stranger_with_its_number_do_not_stop_the_next_start(folder):
    with serving(folder) as (parent, _):
        server = int((folder / "postgres" / "postmaster.pid").read_text().split()[0])
        os.kill(server, signal.SIGKILL)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    assert gone(folder)
    status = folder / "postgres" / "postmaster.pid"
    status.write_text(status.read_text().replace(str(server), str(os.getppid()), 1))

    with postgres(folder, fast=True) as url:
        assert ask(url, "SELECT 1") == 1


def test_a_second_start_on_the_same_folder_says_who_has_it(folder):
    with serving(folder) as (parent, _), serving(folder) as (second, urls):
        assert urls == ""
        assert f"in use by a running Steward (process {parent.pid})" in second.stderr.read()
        assert second.wait() == 1


def test_an_interrupted_making_is_made_again(folder):
    (folder / "postgres.new").mkdir(parents=True)
    (folder / "postgres.new" / "PG_VERSION").write_text("18")

    with postgres(folder, fast=True) as url:
        assert ask(url, "SELECT 1") == 1
    assert not (folder / "postgres.new").exists()


@pytest.mark.parametrize("name", ["long" * 40, "space and + and ü"])
def test_a_long_or_odd_path_works(folder, name):
    with postgres(folder / name, fast=True) as url:
        assert ask(url, "SELECT 1") == 1
    with postgres(folder / name, fast=True) as again:
        assert again == url
    sockets = Path(url.partition("?host=")[2])
    assert (len(str(sockets)) < 80, sockets.exists()) == (True, False)


def test_data_of_a_version_that_is_not_here_is_refused_in_words(folder):
    (folder / "postgres").mkdir(parents=True)
    (folder / "postgres" / "PG_VERSION").write_text("12\n")

    with (
        pytest.raises(CannotStart, match=r"made by PostgreSQL 12, and only PostgreSQL 18 \(bundled\)"),
        postgres(folder),
    ):
        pass
    assert made_by(folder) == 12


def test_data_of_an_older_installed_version_is_served_by_that_version(folder, monkeypatch):
    older = [programs for programs in binaries.installed() if programs.major < 18]
    if not older:
        pytest.skip("only one version is installed")
    with monkeypatch.context() as patch:
        patch.setattr(binaries, "installed", lambda: (older[-1],))
        with postgres(folder, fast=True) as url:
            ask(url, "CREATE TABLE kept AS SELECT 42 AS answer")
    with postgres(folder, fast=True) as url:
        assert ask(url, "SHOW server_version").startswith(str(older[-1].major))
        assert ask(url, "SELECT answer FROM kept") == 42


def test_a_server_that_cannot_start_shows_the_end_of_its_log(folder):
    with postgres(folder, fast=True):
        pass
    (folder / "postgres" / "postgresql.conf").write_text("no such setting = 1\n")

    with pytest.raises(CannotStart, match="syntax error"), postgres(folder):
        pass
    assert gone(folder)


@linux
@as_root
def test_an_ordinary_user_is_served_as_that_user(folder):
    folder.parent.chmod(0o777)
    with serving(folder, user="nobody") as (parent, urls):
        assert ask(urls.split()[0], "SELECT 1") == 1
        assert folder.owner() == "nobody"
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        assert gone(folder)


@linux
@as_root
def test_root_keeps_the_files_and_makes_no_account(folder):
    before = Path("/etc/passwd").read_bytes()
    if why := identity.namespaces():
        pytest.skip(f"user namespaces: {why}")
    with postgres(folder, fast=True) as url:
        assert ask(url, "SELECT 1") == 1
        assert {path.stat().st_uid for path in (folder / "postgres").rglob("*")} == {0}
    assert Path("/etc/passwd").read_bytes() == before


@linux
@as_root
def test_root_without_namespaces_serves_as_nobody_and_changes_back(folder, monkeypatch):
    folder.parent.chmod(0o755)
    with monkeypatch.context() as patch:
        patch.setattr(identity, "namespaces", lambda: "refused")
        patch.setattr(identity, "may_enter", lambda path, who: path == folder or folder in path.parents)
        for _ in range(2):
            with postgres(folder, fast=True) as url:
                assert ask(url, "SELECT 1") == 1
                assert (folder / "postgres").owner() == "nobody"
    with postgres(folder, fast=True) as url:
        assert ask(url, "SELECT 1") == 1


@linux
@as_root
def test_a_folder_nobody_may_enter_is_refused_in_words(folder, monkeypatch):
    monkeypatch.setattr(identity, "namespaces", lambda: "refused")
    with pytest.raises(CannotStart, match="no other user may enter"), postgres(folder):
        pass


@linux
@as_root
def test_root_in_an_ordinary_users_folder_serves_as_that_user(folder):
    os.chown(folder.parent, 1, 1)
    with postgres(folder, fast=True) as url:
        assert ask(url, "SELECT 1") == 1
        assert (folder / "postgres").stat().st_uid == 1
