"""How rows with traits are written: as one JSON text per table; of each trait the greater stamp wins."""

import json
from collections.abc import Iterable
from typing import Any, Final

import orjson

from app.domain.folding import Party

MERGE: Final = """
(traits, trait_stamps) = (
    select
        (x.traits - coalesce(array_agg(n.key), '{}'))
        || coalesce(jsonb_object_agg(n.key, excluded.traits -> n.key) filter (where excluded.traits ? n.key), '{}'),
        x.trait_stamps || coalesce(jsonb_object_agg(n.key, n.value), '{}')
    from jsonb_each(excluded.trait_stamps) as n
    where not x.trait_stamps ? n.key or x.trait_stamps -> n.key < n.value
)"""
"""Of an upsert into a table called `x`: the stored row takes in what is newer; what wins without a value is gone."""


def traits_of(party: Party) -> dict[str, Any]:
    """A fold's traits and stamps as members of a row; none when nothing was said of traits."""
    if not party.stamps:
        return {}
    stamps = orjson.Fragment(json.dumps(party.stamps))  # larger than the 64 bits orjson can write
    return {"traits": party.traits, "stamps": stamps}


def as_json(rows: Iterable[dict[str, Any]]) -> str:
    """Rows as the text of a JSON array."""
    return orjson.dumps(list(rows)).decode()
