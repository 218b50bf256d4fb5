"""Which changes elsewhere a rule must hear of, beyond those of the records it is about."""

from enum import StrEnum

from app.domain.fields import Subject
from app.domain.filters.tree import Tree, leaves, parts, relations


class Watch(StrEnum):
    """What others hear of: accounts of their organization, users of their accounts."""

    ORGANIZATIONS = "organizations"
    ACCOUNTS = "accounts"


def watches(tree: Tree, subject: Subject) -> frozenset[Watch]:
    """What a rule about these records must hear of. Users tell their accounts, and accounts their organization, anyway
    (the former where any rule asks about users: see `asks_about`)."""
    found = set()
    if any(leaf.fact.via == "organization" for part in parts(tree) for leaf in leaves(part)):
        found.add(Watch.ORGANIZATIONS)
    if any(one.relation.subject is Subject.USERS for one in relations(tree)):
        found.add(Watch.ACCOUNTS)
    if found and subject is Subject.USERS:
        found.add(Watch.ACCOUNTS)
    return frozenset(found)
