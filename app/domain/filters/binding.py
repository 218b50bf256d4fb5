"""Who "me" is: filters that say `isMe` mean the member who asks, and are settled before anything is looked up."""

from dataclasses import replace
from uuid import UUID

from app.domain import ids
from app.domain.errors import Rejected
from app.domain.fields import Op, Type
from app.domain.filters.tree import AllOf, AnyOf, Happened, Leaf, Not, Related, Tree


class NeedsMember(Rejected):
    """The filter means whoever is asking, and no member is."""

    code = "needs_member"


def bind(tree: Tree, me: UUID | None) -> Tree:
    """The tree with every `isMe` about this member. Raises `NeedsMember` when there is one and nobody is asking: with
    an API key, or in a rule, which holds for everybody alike."""
    match tree:
        case Leaf():
            return _leaf(tree, me)
        case Related():
            return replace(tree, where=bind(tree.where, me))
        case Happened():
            return tree
        case Not(part):
            return Not(bind(part, me))
        case AllOf(parts):
            return AllOf(tuple(bind(part, me) for part in parts))
        case AnyOf(parts):
            return AnyOf(tuple(bind(part, me) for part in parts))


def _leaf(leaf: Leaf, me: UUID | None) -> Leaf:
    if leaf.op is not Op.IS_ME:
        return leaf
    if me is None:
        raise NeedsMember(
            "`isMe` means the member who is signed in: name a member (`is` with mem_…), or ask as a member, not with an"
            " API key or in a rule."
        )
    if leaf.reading is Type.MULTI:
        return replace(leaf, op=Op.IS_ANY_OF, operand=(me,), value=[ids.show("mem", me)])
    return replace(leaf, op=Op.IS, operand=me, value=ids.show("mem", me))
