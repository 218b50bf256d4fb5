"""The SQLAlchemy mapping: columns, keys and constraints, and no logic beyond them."""

from app.domain.models.accounts import (
    Account,
    AccountActivity,
    AccountFacts,
    DirtyAccount,
    OwnerChange,
    OwnerChoice,
    OwnerClaim,
)
from app.domain.models.base import Base
from app.domain.models.erasures import Suppression
from app.domain.models.events import Event, MessageReceipt
from app.domain.models.indicators import Alert, Indicator
from app.domain.models.jobs import Job, Reprocessing
from app.domain.models.keys import ApiKey, KeySecret
from app.domain.models.outbound import Delivery, DeliveryAttempt, WebhookEndpoint
from app.domain.models.users import Membership, User, UserActivity, UserDay
from app.domain.models.workspaces import KeyRole, Member, TraitMapping, Workspace

__all__ = [
    "Account",
    "AccountActivity",
    "AccountFacts",
    "Alert",
    "ApiKey",
    "Base",
    "Delivery",
    "DeliveryAttempt",
    "DirtyAccount",
    "Event",
    "Indicator",
    "Job",
    "KeyRole",
    "KeySecret",
    "Member",
    "Membership",
    "MessageReceipt",
    "OwnerChange",
    "OwnerChoice",
    "OwnerClaim",
    "Reprocessing",
    "Suppression",
    "TraitMapping",
    "User",
    "UserActivity",
    "UserDay",
    "WebhookEndpoint",
    "Workspace",
]
