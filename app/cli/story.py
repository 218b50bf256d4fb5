"""The demo story of `steward start`: loaded into a new database until it is whole, removed by one command."""

from collections.abc import Callable
from pathlib import Path

from app.cli import issuing
from app.settings import Settings

Say = Callable[[str], None]

WORKSPACE = "demo"
NOTE = "demo"  # a file in the data folder: `wanted` until the story is whole, then `loaded`


def is_wanted(folder: Path, *, is_new: bool) -> bool:
    """Whether to load the story now: the database is new, or an earlier loading was interrupted."""
    if is_new:
        _note(folder, "wanted")
    return _read(folder) == "wanted"


def is_loaded(folder: Path) -> bool:
    """Whether this folder's database holds the story."""
    return _read(folder) == "loaded"


async def load(settings: Settings, url: str, *, say: Say) -> None:
    """Tell the story through the API at `url`. Safe to repeat: it sends the same messages again."""
    from app import demo

    key = await issuing.issue(settings, WORKSPACE, ["admin"], name="demo story")
    await demo.load(url, key, say=say)
    _note(settings.data_dir, "loaded")


async def remove(settings: Settings, url: str, *, say: Say) -> None:
    """Take the story out again, through the API as well."""
    from app import demo

    key = await issuing.issue(settings, WORKSPACE, ["admin"], name="demo story")
    await demo.remove(url, key, say=say)
    (settings.data_dir / NOTE).unlink(missing_ok=True)


def _read(folder: Path) -> str:
    path = folder / NOTE
    return path.read_text() if path.exists() else ""


def _note(folder: Path, state: str) -> None:
    (folder / NOTE).write_text(state)
