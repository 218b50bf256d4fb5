"""Rows travel as columns of text, and arrive as they left."""

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.db.base import raw
from app.db.columns import pack, table

texts = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5),
    st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)),
    max_size=3,
)
rows = st.lists(st.tuples(st.uuids(), st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)), texts), max_size=5)


def _loads(body):
    """The driver gives JSON as text, or parsed where a codec is set."""
    return body if isinstance(body, dict) else orjson.loads(body)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=rows)
async def test_rows_arrive_as_they_left(database, workspace, rows):
    sent = pack((str(id_), "" if n is None else str(n), orjson.dumps(body).decode()) for id_, n, body in rows)

    async with database.transaction(workspace) as db:
        driver = await raw(db)
        found = await driver.fetch(f"select * from {table('$1', id='uuid', n='bigint', body='jsonb')} as t", sent)

    assert [(row["id"], row["n"], _loads(row["body"])) for row in found] == rows
