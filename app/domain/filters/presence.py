"""Filters that hold for what is there, not for want of something."""

from app.domain.fields import Op
from app.domain.filters.tree import NEGATIVES, AllOf, AnyOf, Leaf, Not, Tree


def surely(tree: Tree) -> Tree:
    """A filter that holds where this one holds for what is there, not for want of something.

    "Is none of" matches the empty, and so does every negation: seldom meant, and easily overlooked.
    """
    match tree:
        case Not(part):
            return _surely_not(part)
        case AllOf(parts):
            return AllOf(tuple(surely(part) for part in parts))
        case AnyOf(parts):
            return AnyOf(tuple(surely(part) for part in parts))
        case Leaf() if tree.op in NEGATIVES:
            return _present(tree, tree)
        case _:
            return tree


def _surely_not(tree: Tree) -> Tree:
    match tree:
        case Not(part):
            return surely(part)
        case AllOf(parts):
            return AnyOf(tuple(_surely_not(part) for part in parts))
        case AnyOf(parts):
            return AllOf(tuple(_surely_not(part) for part in parts))
        case Leaf() if tree.op not in NEGATIVES:
            return _present(tree, Not(tree))
        case _:
            return Not(tree)


def _present(leaf: Leaf, asked: Tree) -> Tree:
    """What is asked, of records that have the value; whoever asks for the presence itself has said what is meant."""
    if leaf.op in (Op.IS_SET, Op.IS_NOT_SET) or not leaf.fact.nullable:
        return asked
    return AllOf((Leaf(leaf.fact, leaf.reading, Op.IS_SET, None), asked))
