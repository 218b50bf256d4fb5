"""Where key roles stand: accounts and organizations have tables of their own, which look the same."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import TextClause, text

from app.domain.fields import Subject
from app.domain.models import (
    KeyRole,
    KeyRoleChange,
    OrganizationRole,
    OrganizationRoleChange,
)

HELD: Final[Mapping[Subject, Any]] = {Subject.ACCOUNTS: KeyRole, Subject.ORGANIZATIONS: OrganizationRole}
CHANGES: Final[Mapping[Subject, Any]] = {
    Subject.ACCOUNTS: KeyRoleChange,
    Subject.ORGANIZATIONS: OrganizationRoleChange,
}
ID: Final[Mapping[Subject, str]] = {Subject.ACCOUNTS: "account_id", Subject.ORGANIZATIONS: "organization_id"}
_NAMES: Final[Mapping[Subject, Mapping[str, str]]] = {
    Subject.ACCOUNTS: {
        "records": "accounts",
        "facts": "account_facts",
        "held": "key_roles",
        "changes": "key_role_changes",
        "said": "role_traits",
    },
    Subject.ORGANIZATIONS: {
        "records": "organizations",
        "facts": "organization_facts",
        "held": "organization_roles",
        "changes": "organization_role_changes",
        "said": "organization_role_traits",
    },
}


def for_each(query: str, **parts: str) -> Mapping[Subject, TextClause]:
    """A statement about each kind of record, of a text that names its tables `{held}`, `{id}` and so on."""
    return {subject: text(query.format(id=ID[subject], **_NAMES[subject], **parts)) for subject in _NAMES}
