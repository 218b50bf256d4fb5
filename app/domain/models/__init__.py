"""The SQLAlchemy mapping: columns, keys and constraints, and no logic beyond them."""

from app.domain.models.accounts import (
    Account,
    AccountActivity,
    AccountChange,
    AccountFacts,
    DirtyAccount,
    OwnerChange,
    OwnerChoice,
    OwnerClaim,
)
from app.domain.models.audit import AuditEntry, IdempotencyKey
from app.domain.models.base import Base
from app.domain.models.bulk_edits import BulkEdit, BulkEditRow
from app.domain.models.erasures import Erasure, Suppression
from app.domain.models.events import Event, MessageReceipt
from app.domain.models.hot_facts import HotFact
from app.domain.models.imports import Import, ImportFault, ImportPart
from app.domain.models.inbox import Parcel
from app.domain.models.indicators import Alert, Indicator
from app.domain.models.jobs import Job, Reprocessing
from app.domain.models.key_roles import KeyRole, KeyRoleChange, Role, RoleTrait
from app.domain.models.keys import ApiKey, KeySecret
from app.domain.models.lifecycle import LifecycleRules, StatusChange, StatusChoice
from app.domain.models.mrr import MrrChange
from app.domain.models.organizations import (
    AccountParent,
    Affiliation,
    CustomInstance,
    DirtyRecord,
    Organization,
    OrganizationFacts,
)
from app.domain.models.outbound import Delivery, DeliveryAttempt, WebhookEndpoint
from app.domain.models.rejections import RejectedCount, RejectedMessage, RejectedTotal
from app.domain.models.segments import Segment, SegmentChange, SegmentExclusion, SegmentLink
from app.domain.models.team import (
    AccessGroup,
    GroupAccount,
    GroupMember,
    GroupParent,
    Invitation,
    MemberLookup,
    MemberSession,
)
from app.domain.models.traits import TraitDefinition, TraitHistory
from app.domain.models.users import Membership, User, UserActivity, UserDay, UserFacts
from app.domain.models.views import View
from app.domain.models.workspaces import Member, TraitMapping, Workspace

__all__ = [
    "AccessGroup",
    "Account",
    "AccountActivity",
    "AccountChange",
    "AccountFacts",
    "AccountParent",
    "Affiliation",
    "Alert",
    "ApiKey",
    "AuditEntry",
    "Base",
    "BulkEdit",
    "BulkEditRow",
    "CustomInstance",
    "Delivery",
    "DeliveryAttempt",
    "DirtyAccount",
    "DirtyRecord",
    "Erasure",
    "Event",
    "GroupAccount",
    "GroupMember",
    "GroupParent",
    "HotFact",
    "IdempotencyKey",
    "Import",
    "ImportFault",
    "ImportPart",
    "Indicator",
    "Invitation",
    "Job",
    "KeyRole",
    "KeyRoleChange",
    "KeySecret",
    "LifecycleRules",
    "Member",
    "MemberLookup",
    "MemberSession",
    "Membership",
    "MessageReceipt",
    "MrrChange",
    "Organization",
    "OrganizationFacts",
    "OwnerChange",
    "OwnerChoice",
    "OwnerClaim",
    "Parcel",
    "RejectedCount",
    "RejectedMessage",
    "RejectedTotal",
    "Reprocessing",
    "Role",
    "RoleTrait",
    "Segment",
    "SegmentChange",
    "SegmentExclusion",
    "SegmentLink",
    "StatusChange",
    "StatusChoice",
    "Suppression",
    "TraitDefinition",
    "TraitHistory",
    "TraitMapping",
    "User",
    "UserActivity",
    "UserDay",
    "UserFacts",
    "View",
    "WebhookEndpoint",
    "Workspace",
]
