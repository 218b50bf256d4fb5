"""How many of a costly request run in one process at a time; whoever comes on top is told to come back."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.domain.errors import TooMany


class Turns:
    """Turns at something that keeps a database connection for seconds."""

    def __init__(self, most: int, refusal: type[TooMany]) -> None:
        self.most, self.taken = most, 0
        self._refusal = refusal

    def ask(self) -> None:
        """Raises the refusal when all are taken."""
        if self.taken >= self.most:
            raise self._refusal("Others like it are under way; ask again shortly.", retry_after=5)

    @contextmanager
    def take(self) -> Iterator[None]:
        """A turn for as long as this lasts. Raises as `ask` does."""
        self.ask()
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1
