"""`steward start`: the whole service with one command, and nothing left behind when it ends."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from app.cli import issuing, listening, place, schema, story, welcome
from app.cli.family import Family, keep, reloader
from app.cli.trouble import plainly, say
from app.domain.errors import DomainError
from app.embedded import CannotStart, Server, child, postgres_server, running, valkey_server
from app.settings import Settings

Host = Annotated[str | None, typer.Option(envvar="STEWARD_HOST", help="Address the API listens on.")]
Port = Annotated[int | None, typer.Option(envvar="STEWARD_PORT", help="Its port; 0 lets the system choose.")]
DataDir = Annotated[Path | None, typer.Option(envvar="STEWARD_DATA_DIR", help="Where everything is kept.")]
NoDemo = Annotated[bool, typer.Option("--no-demo", help="Do not load the demo story into a new database.")]
Reload = Annotated[bool, typer.Option("--reload", help="Start again when the code changes.")]
WithParent = Annotated[bool, typer.Option("--with-parent", hidden=True, help="End when the calling process ends.")]


def start(
    host: Host = None,
    port: Port = None,
    data_dir: DataDir = None,
    no_demo: NoDemo = False,
    reload: Reload = False,
    with_parent: WithParent = False,
) -> None:
    """Start PostgreSQL, Valkey, the API and the worker; stop them all on Ctrl-C.

    With STEWARD_DATABASE_URL and STEWARD_REDIS_URL those servers are used instead.
    """
    if with_parent and sys.platform == "linux":
        child.die_with(os.getppid(), signal.SIGTERM)
    with plainly(), until_asked_to_stop(), ExitStack() as stack:
        settings = place.settings(make_secret=True, host=host, port=port, data_dir=data_dir)
        taken = stack.enter_context(listening.bind(settings.host, settings.port))
        stack.enter_context(place.alone(settings.data_dir))
        servers, settings = _servers(stack, settings)
        is_new = schema.upgrade(settings.database_url)
        family = Family(settings)
        children = [family.web(taken), family.worker()]
        say("Starting the API and the worker ...")
        stack.enter_context(running(*children))
        url = listening.url(taken)
        stack.enter_context(place.announced(settings.data_dir, url=url, **_urls(settings)))
        _greet(settings, url, demo=story.is_wanted(settings.data_dir, is_new=is_new and not no_demo))
        keep([*servers, *children], say=say, between=reloader(children, say=say) if reload else lambda: None)


@contextmanager
def until_asked_to_stop() -> Iterator[None]:
    """Let Ctrl-C, SIGTERM and a closed terminal end the block in good order; a second one does not disturb that."""

    def ask(*_: object) -> NoReturn:
        for number in asking:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    asking = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, ask) for number in asking}
    try:
        yield
    except KeyboardInterrupt:
        say("Stopped.")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _servers(stack: ExitStack, settings: Settings) -> tuple[list[Server], Settings]:
    """The servers that have to be ours, started, and the settings with their URLs."""
    servers: list[Server] = []
    urls: dict[str, str] = {}
    if not settings.database_url:
        say(f"Starting PostgreSQL in {settings.data_dir} ...")
        servers.append(stack.enter_context(postgres_server(settings.data_dir)))
        urls["database_url"] = servers[-1].url
    if not settings.redis_url and settings.bell != "none":
        try:
            servers.append(stack.enter_context(valkey_server(settings.data_dir)))
            urls["redis_url"] = servers[-1].url
        except CannotStart as error:
            say(f"Going on without the bell, so background work waits a little longer: {error}")
    return servers, settings.model_copy(update=urls)


def _urls(settings: Settings) -> dict[str, Any]:
    return {"database_url": settings.database_url, "redis_url": settings.redis_url}


def _greet(settings: Settings, url: str, *, demo: bool) -> None:
    """Load the story if it is wanted, then say where everything is."""
    if demo:
        say("Loading the demo story ...")
        try:
            asyncio.run(story.load(settings, url, say=say))
        except (DomainError, OSError) as error:
            say(f"The demo story could not be told ({error}); the next start tries again.")
    slug = story.WORKSPACE if story.is_loaded(settings.data_dir) else issuing.FIRST
    key = asyncio.run(issuing.issue(settings, slug, ["admin"], name="steward start"))
    typer.echo(welcome.text(url, key, slug=slug, has_story=slug == story.WORKSPACE, folder=settings.data_dir))
    sys.stdout.flush()
