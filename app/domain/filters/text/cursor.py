"""Walks along the tokens of a filter's text: what comes next, whether it says something, what was expected instead."""

from dataclasses import dataclass
from typing import Any, Final

from app.domain.filters.reading import InvalidFilter
from app.domain.filters.text.tokens import Kind, Token, cut, refuse

VALUES: Final = {Kind.TEXT, Kind.NUMBER, Kind.MOMENT, Kind.WORD}
RESERVED: Final = {"and", "or", "not", "where"}


@dataclass(slots=True)
class Cursor:
    """A place among the tokens."""

    tokens: list[Token]
    at: int = 0

    @classmethod
    def over(cls, source: str) -> "Cursor":
        return cls(cut(source))

    @property
    def next(self) -> Token:
        return self.tokens[self.at]

    def take(self) -> Token:
        token = self.next
        if token.kind is not Kind.END:
            self.at += 1
        return token

    def says(self, phrase: str) -> bool:
        """Whether the next tokens are these words or signs, in any case; it stays where it is."""
        words = phrase.split()
        found = self.tokens[self.at : self.at + len(words)]
        return len(found) == len(words) and all(
            token.kind in (Kind.WORD, Kind.SIGN) and token.source.lower() == word
            for token, word in zip(found, words, strict=True)
        )

    def accept(self, phrase: str) -> bool:
        """Steps over these words if they come next."""
        said = self.says(phrase)
        if said:
            self.at += len(phrase.split())
        return said

    def expect(self, phrase: str) -> None:
        """Steps over these words. Raises `InvalidFilter` when others come."""
        if not self.accept(phrase):
            raise self.expected(f"`{phrase}`")

    def value(self) -> Any:
        """Steps over a value. Raises `InvalidFilter`."""
        if self.next.kind not in VALUES or self.next.source.lower() in RESERVED:
            raise self.expected('a value: a text in double quotes ("…"), a number, a date (2026-03-31) or an id')
        return self.take().value

    def whole(self) -> int:
        """Steps over a whole number. Raises `InvalidFilter`."""
        if self.next.kind is not Kind.NUMBER or not isinstance(self.next.value, int):
            raise self.expected("a whole number")
        found: int = self.take().value
        return found

    def expected(self, what: str) -> InvalidFilter:
        """A refusal here."""
        token = self.next
        found = "the text ends" if token.kind is Kind.END else f"`{token.source[:40]}` stands here"
        return refuse(token.column, f"Expected {what}; {found}.")
