"""The names by which definitions stand in the paths of facts: given once, or made of what the thing is called."""

import re
import unicodedata
from typing import Final

LONGEST: Final = 40
_OTHER: Final = re.compile(r"[^a-z0-9]+")


def slug_of(name: str, fallback: str) -> str:
    """A name in small letters, digits and `_`; `fallback` stands before what would not begin with a letter."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = _OTHER.sub("_", plain).strip("_")
    if not slug[:1].isalpha():
        slug = f"{fallback}_{slug}"
    return slug[:LONGEST].rstrip("_")
