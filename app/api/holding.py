"""`scope=mine` and `holder=` on lists: only what belongs to accounts where somebody of the team holds a key role."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Depends, Query

from app.api.deps import Anyone, Tx
from app.domain.errors import Rejected
from app.domain.filters import NeedsMember
from app.services import members
from app.services.members import UnknownMember


class AmbiguousScope(Rejected):
    """Two people are named as whose accounts are meant."""

    code = "ambiguous_scope"


REFUSALS = (NeedsMember, UnknownMember, AmbiguousScope)
"""What a list refuses that can be narrowed so."""

ScopeIn = Annotated[
    Literal["all", "mine"],
    Query(description="`mine`: of accounts where you hold any key role; asked with a session, not with a key."),
]
HolderIn = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=320,
        description="`mem_…` or an e-mail address: of accounts where this member holds any key role.",
    ),
]


async def _holder(caller: Anyone, tx: Tx, scope: ScopeIn = "all", holder: HolderIn = None) -> UUID | None:
    if scope == "mine":
        if holder is not None:
            raise AmbiguousScope("Ask either for `scope=mine` or for a `holder`.")
        return caller.person()
    if holder is None:
        return None
    found: UUID = (await members.find(tx, caller.workspace_id, holder))["id"]
    return found


Holder = Annotated[UUID | None, Depends(_holder)]
"""The member whose accounts a list is narrowed to; None: it is not."""
