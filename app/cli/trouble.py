"""How a command fails: one plain sentence and an exit code, and a stack trace only for what nobody foresaw."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer
from pydantic import ValidationError

from app.domain.errors import DomainError
from app.embedded import CannotStart

BROKEN = 1
MISUSED = 2


def say(sentence: str) -> None:
    """What happens meanwhile goes to standard error; the answer goes to standard output."""
    typer.echo(sentence, err=True)


def fail(sentence: str, code: int = BROKEN) -> NoReturn:
    """Say why and end with `code`."""
    say(f"steward: {sentence}")
    raise typer.Exit(code)


def spell(error: ValidationError) -> str:
    """What is wrong with the environment, one variable per line."""
    lines = []
    for item in error.errors():
        name = "_".join(("steward", *map(str, item["loc"]))).upper()
        message = item["msg"].removeprefix("Value error, ")
        lines.append(message if not item["loc"] else f"{name}: {message} (it is {item['input']!r})")
    return "\n".join(lines)


@contextmanager
def plainly() -> Iterator[None]:
    """Turn foreseen troubles into sentences."""
    try:
        yield
    except CannotStart as error:
        fail(str(error))
    except ValidationError as error:
        fail(spell(error), MISUSED)
    except DomainError as error:
        fail(str(error))
    except Exception as error:
        from app.db import condition

        if (words := condition.why(error)) is None:
            raise
        fail(words)
