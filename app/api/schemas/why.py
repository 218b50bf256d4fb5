"""The wire contract of explanations."""

from typing import Any

from pydantic import ConfigDict, Field

from app.api.schemas.accounts import AccountId, OrganizationId
from app.api.schemas.base import Instant
from app.domain.wire import Wire


class Reason(Wire):
    """Why a fact is what it is."""

    fact: str
    value: Any = Field(description="What it is, as evaluated last.")
    rule: str = Field(description="What made it so, in words.")
    inputs: list[dict[str, Any]] = Field(description="What the rule looked at, in its order.")
    since: Instant | None = Field(description="Since when, as far as anybody knows.")
    source: str | None = Field(description="What decided: a trait, a key of yours, a rule, a person.")


class OrganizationWhyOut(Reason):
    """Why a fact of an organization is what it is."""

    organization_id: OrganizationId


class WhyOut(Reason):
    """Why a fact of an account is what it is."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "accountId": "acc_0190f3c2a1b27c3d8e4f5a6b7c8d9e0f",
                    "fact": "mrr",
                    "value": 250,
                    "rule": "Of the mapped traits, the first that is a number decides.",
                    "inputs": [
                        {"key": "stripe.mrr", "value": None, "saidAt": None, "verdict": "empty"},
                        {"key": "mrr", "value": 250, "saidAt": "2026-03-01T09:30:00Z", "verdict": "decides"},
                    ],
                    "since": "2026-02-01T00:00:00Z",
                    "source": "traits.mrr",
                }
            ]
        }
    )

    account_id: AccountId
