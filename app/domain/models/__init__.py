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
from app.domain.models.base import Base
from app.domain.models.erasures import Erasure, Suppression
from app.domain.models.events import Event, MessageReceipt
from app.domain.models.imports import Import, ImportFault, ImportPart
from app.domain.models.inbox import Parcel
from app.domain.models.indicators import Alert, Indicator
from app.domain.models.jobs import Job, Reprocessing
from app.domain.models.keys import ApiKey, KeySecret
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
from app.domain.models.users import Membership, User, UserActivity, UserDay, UserFacts
from app.domain.models.workspaces import KeyRole, Member, TraitMapping, Workspace

__all__ = [
    "Account",
    "AccountActivity",
    "AccountChange",
    "AccountFacts",
    "AccountParent",
    "Affiliation",
    "Alert",
    "ApiKey",
    "Base",
    "CustomInstance",
    "Delivery",
    "DeliveryAttempt",
    "DirtyAccount",
    "DirtyRecord",
    "Erasure",
    "Event",
    "Import",
    "ImportFault",
    "ImportPart",
    "Indicator",
    "Job",
    "KeyRole",
    "KeySecret",
    "Member",
    "Membership",
    "MessageReceipt",
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
    "Suppression",
    "TraitMapping",
    "User",
    "UserActivity",
    "UserDay",
    "UserFacts",
    "WebhookEndpoint",
    "Workspace",
]
