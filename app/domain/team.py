"""Who may do what: the four roles of members, the scopes of keys, and the one table that maps permissions to both."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from types import MappingProxyType
from typing import Final

from app.domain.errors import Conflict, Forbidden, NotFound, TooMany, Unauthenticated


class Scope(StrEnum):
    """What a key may do; `admin` includes the other two."""

    INGEST = "ingest"
    READ = "read"
    ADMIN = "admin"


class MemberRole(StrEnum):
    """What a member is to the workspace. The set is fixed; observers need no seat."""

    ADMIN = "admin"
    LEADER = "leader"
    TEAM_MEMBER = "team_member"
    OBSERVER = "observer"


class Permission(StrEnum):
    """What one may be allowed to do, each named after it."""

    VIEW_DATA = "view_data"
    SAVE_VIEWS = "save_views"
    PUBLISH_VIEWS = "publish_views"
    EDIT_TRAITS = "edit_traits"
    CHANGE_SEGMENTS = "change_segments"
    DEFINE_TRAITS = "define_traits"
    ASSIGN_ROLES = "assign_roles"
    CREATE_ACCOUNTS = "create_accounts"
    CHANGE_STATUS = "change_status"
    CREATE_USERS = "create_users"
    DELETE_CUSTOMERS = "delete_customers"
    VIEW_DELETIONS = "view_deletions"
    ADDRESS_INDICATORS = "address_indicators"
    MANAGE_RULES = "manage_rules"
    VIEW_RAW_DATA = "view_raw_data"
    INGEST = "ingest"
    MANAGE_INTEGRATIONS = "manage_integrations"
    MANAGE_TEAM = "manage_team"
    MANAGE_WORKSPACE = "manage_workspace"


class NotPermitted(Forbidden):
    """Your role does not allow this."""

    code = "not_permitted"


@dataclass(frozen=True, slots=True)
class Allowed:
    """Who has a permission: members by their role, keys by their scope.

    What `configures` bears on the whole workspace, whichever accounts the member may see.
    """

    what: str
    roles: frozenset[MemberRole]
    scope: Scope
    configures: bool = False


_ADMIN, _LEADER, _MEMBER, _OBSERVER = MemberRole
_ALL: Final = frozenset(MemberRole)
_WORKERS: Final = frozenset({_ADMIN, _LEADER, _MEMBER})
_LEADERS: Final = frozenset({_ADMIN, _LEADER})
_ADMINS: Final = frozenset({_ADMIN})

ALLOWED: Final[Mapping[Permission, Allowed]] = MappingProxyType(
    {
        Permission.VIEW_DATA: Allowed("See accounts, users, organizations, reports and rules", _ALL, Scope.READ),
        Permission.SAVE_VIEWS: Allowed("Save views of one's own", _ALL, Scope.ADMIN),
        Permission.PUBLISH_VIEWS: Allowed("Share views with everyone", _LEADERS, Scope.ADMIN),
        Permission.EDIT_TRAITS: Allowed(
            "Edit traits (team members: those whose definition lets them)", _WORKERS, Scope.ADMIN
        ),
        Permission.CHANGE_SEGMENTS: Allowed("Put records into segments by hand", _WORKERS, Scope.ADMIN),
        Permission.DEFINE_TRAITS: Allowed("Define traits, and map them", _LEADERS, Scope.ADMIN, configures=True),
        Permission.ASSIGN_ROLES: Allowed("Assign key roles and account owners", _LEADERS, Scope.ADMIN),
        Permission.CREATE_ACCOUNTS: Allowed("Create accounts and organizations", _ADMINS, Scope.INGEST),
        Permission.CHANGE_STATUS: Allowed("Change the subscription of accounts by hand", _ADMINS, Scope.ADMIN),
        Permission.CREATE_USERS: Allowed("Create users", _LEADERS, Scope.INGEST),
        Permission.DELETE_CUSTOMERS: Allowed("Delete users and accounts", _LEADERS, Scope.ADMIN),
        Permission.VIEW_DELETIONS: Allowed("See who was deleted", _LEADERS, Scope.READ),
        Permission.ADDRESS_INDICATORS: Allowed("Address alerts, and other daily work", _WORKERS, Scope.ADMIN),
        Permission.MANAGE_RULES: Allowed(
            "Manage indicators, segments, metrics, elements, health scores, surveys, lifecycle rules and key roles",
            _LEADERS,
            Scope.ADMIN,
            configures=True,
        ),
        Permission.VIEW_RAW_DATA: Allowed(
            "See what comes in and goes out as it is: refused messages, imports, exports, webhooks", _ADMINS, Scope.READ
        ),
        Permission.INGEST: Allowed("Send data in as programs do", _ADMINS, Scope.INGEST),
        Permission.MANAGE_INTEGRATIONS: Allowed(
            "Manage keys, webhooks and imports", _ADMINS, Scope.ADMIN, configures=True
        ),
        Permission.MANAGE_TEAM: Allowed(
            "Manage members, invitations and data-access groups", _ADMINS, Scope.ADMIN, configures=True
        ),
        Permission.MANAGE_WORKSPACE: Allowed("Change or delete the workspace", _ADMINS, Scope.ADMIN, configures=True),
    }
)
"""Every permission and who has it. Nothing else in the code decides by role or scope."""


def check_role(role: MemberRole, permission: Permission) -> None:
    """`NotPermitted` unless members of this role may do this."""
    roles = ALLOWED[permission].roles
    if role not in roles:
        having = [str(one) for one in MemberRole if one in roles]
        raise NotPermitted(
            f"This needs the permission `{permission}`; your role is `{role}`. Allowed to: {', '.join(having)}.",
            permission=str(permission),
            role=str(role),
            roles=having,
        )


class WrongCredentials(Unauthenticated):
    """E-mail address and password do not belong together."""

    code = "wrong_credentials"


class SeveralWorkspaces(Conflict):
    """This password opens several workspaces."""

    code = "several_workspaces"


class TooManyAttempts(TooMany):
    """Too many attempts to get in."""

    code = "too_many_attempts"


class UnknownSession(NotFound):
    """You have no such session."""

    code = "unknown_session"


class UnknownInvitation(NotFound):
    """There is no such invitation."""

    code = "unknown_invitation"


class InvitationOver(Conflict):
    """The invitation was accepted or revoked."""

    code = "invitation_over"


class NoSeatLeft(Conflict):
    """Every seat is taken."""

    code = "no_seat_left"


class LastAdmin(Conflict):
    """Somebody must stay an admin."""

    code = "last_admin"


def address_fingerprint(email: str) -> bytes:
    """What an e-mail address is found by, across workspaces, when somebody signs in with it."""
    return sha256(b"email:" + email.strip().lower().encode()).digest()


class UnknownGroup(NotFound):
    """There is no such data-access group."""

    code = "unknown_access_group"


class GroupNameTaken(Conflict):
    """Another data-access group has this name."""

    code = "group_name_taken"


class TooManyGroups(Conflict):
    """The workspace has as many data-access groups as it can have."""

    code = "too_many_access_groups"
