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
from app.domain.models.elements import Element, ElementInstance
from app.domain.models.erasures import Erasure, Suppression
from app.domain.models.events import Event, MessageReceipt
from app.domain.models.health import HealthDay, HealthScore, HealthScoreVersion
from app.domain.models.hot_facts import HotFact
from app.domain.models.imports import Import, ImportFault, ImportPart
from app.domain.models.inbox import Parcel
from app.domain.models.indicators import Alert, Indicator
from app.domain.models.jobs import Job, Reprocessing
from app.domain.models.key_roles import (
    KeyRole,
    KeyRoleChange,
    OrganizationRole,
    OrganizationRoleChange,
    OrganizationRoleTrait,
    Role,
    RoleTrait,
)
from app.domain.models.keys import ApiKey, KeySecret
from app.domain.models.lifecycle import LifecycleRules, StatusChange, StatusChoice
from app.domain.models.measures import Measure, MeasureDay, MeasureTotal, Recount
from app.domain.models.metrics import Metric, MetricDay
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
from app.domain.models.surveys import Survey, SurveyResponse, SurveyShowing
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
    "Element",
    "ElementInstance",
    "Erasure",
    "Event",
    "GroupAccount",
    "GroupMember",
    "GroupParent",
    "HealthDay",
    "HealthScore",
    "HealthScoreVersion",
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
    "Measure",
    "MeasureDay",
    "MeasureTotal",
    "Member",
    "MemberLookup",
    "MemberSession",
    "Membership",
    "MessageReceipt",
    "Metric",
    "MetricDay",
    "MrrChange",
    "Organization",
    "OrganizationFacts",
    "OrganizationRole",
    "OrganizationRoleChange",
    "OrganizationRoleTrait",
    "OwnerChange",
    "OwnerChoice",
    "OwnerClaim",
    "Parcel",
    "Recount",
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
    "Survey",
    "SurveyResponse",
    "SurveyShowing",
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
