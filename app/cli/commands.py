"""The commands by name; each is short here or has a file of its own."""

import asyncio
import socket
from typing import Annotated

import typer
from pydantic import SecretStr

from app.cli import issuing, place, schema, story
from app.cli.doctor import doctor
from app.cli.importing import import_
from app.cli.start import start
from app.cli.trouble import fail, plainly, say
from app.domain.team import MemberRole
from app.settings import Settings

cli = typer.Typer(
    name="steward",
    help="Who owns each account, how it is doing, and who needs to know.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
keys = typer.Typer(no_args_is_help=True, help="API keys.")
members = typer.Typer(no_args_is_help=True, help="The people who sign in.")
demo = typer.Typer(no_args_is_help=True, help="The demo story, told through the public API.")
cli.add_typer(keys, name="keys")
cli.add_typer(members, name="members")
cli.add_typer(demo, name="demo")
cli.command()(start)
cli.command()(doctor)
cli.command("import")(import_)


@cli.command()
def serve(
    host: Annotated[str | None, typer.Option(envvar="STEWARD_HOST", help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(envvar="STEWARD_PORT", help="Port; 0 lets the system choose.")] = None,
    fd: Annotated[int | None, typer.Option(hidden=True, help="A socket that is already bound.")] = None,
) -> None:
    """Serve the API; needs a database (STEWARD_DATABASE_URL, or a running `steward start`)."""
    from app.api import server
    from app.cli import listening
    from app.main import create_app

    with plainly():
        settings = place.connected(host=host, port=port)
        taken = socket.socket(fileno=fd) if fd is not None else listening.bind(settings.host, settings.port)
        server.run(create_app(settings), [taken], log_level=settings.log_level)


@cli.command()
def work() -> None:
    """Do the work promised for later; needs a database as `serve` does."""
    from app.workers import main as workers

    with plainly():
        workers.run(place.connected())


@cli.command()
def migrate() -> None:
    """Bring the database to the schema of this release."""
    with plainly(), place.reachable() as settings:
        schema.upgrade(settings.database_url)
        typer.echo(f"The database is at {schema.head()}.", err=True)


@cli.command()
def openapi() -> None:
    """Print the description of the API, as `docs/openapi.json` holds it."""
    from app.api.openapi import frozen
    from app.main import create_app

    typer.echo(frozen(create_app(Settings(secret_key=SecretStr(""), database_url="", public_url=""))), nl=False)


@keys.command("create")
def create_key(
    workspace: Annotated[str, typer.Option(help="The workspace's short name.")],
    scope: Annotated[list[str], typer.Option(help="ingest, read or admin; may be given several times.")],
    name: Annotated[str, typer.Option(help="What the key is for.")] = "command line",
    create_workspace: Annotated[bool, typer.Option("--create-workspace", help="Make the workspace too.")] = False,
) -> None:
    """Make an API key and print it, alone. It is shown this once."""
    issuing.check(workspace, scope)
    with plainly(), place.reachable() as settings:
        schema.upgrade(settings.database_url)
        issued = issuing.issue(settings, workspace, scope, name=name, may_create=create_workspace)
        typer.echo(asyncio.run(issued))


@members.command("invite")
def invite_member(
    workspace: Annotated[str, typer.Option(help="The workspace's short name.")],
    email: Annotated[str, typer.Option(help="Whom to invite.")],
    role: Annotated[MemberRole, typer.Option(help="What they may do.")] = MemberRole.ADMIN,
) -> None:
    """Invite someone, such as the first admin, and print the token, alone. It is shown this once, and lasts a week."""
    with plainly(), place.reachable() as settings:
        schema.upgrade(settings.database_url)
        typer.echo(asyncio.run(issuing.invite(settings, workspace, email, role)))


@demo.command("load")
def load_demo() -> None:
    """Load the story into the workspace `demo`; needs a running `steward start`."""
    with plainly():
        settings, url = _running()
        asyncio.run(story.load(settings, url, say=say))


@demo.command("remove")
def remove_demo() -> None:
    """Remove the story; needs a running `steward start`."""
    with plainly():
        settings, url = _running()
        asyncio.run(story.remove(settings, url, say=say))


def _running() -> tuple[Settings, str]:
    here = place.settings()
    note = place.announcement(here.data_dir)
    if note is None:
        fail(f"no Steward is running on {here.data_dir}: run `steward start`, or say where with STEWARD_DATA_DIR.")
    return place.connected(), note["url"]


def main() -> None:
    """The console script."""
    cli()
