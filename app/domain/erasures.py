"""Deleting one user or account for good: where their data may be, what becomes of it there, and in which order."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

from app.domain import ids
from app.domain.errors import Conflict, NotFound
from app.domain.messages import Envelope, Message, as_text
from app.domain.suppression import Kind, named_in, owner_named, without_owner


class UnknownErasure(NotFound):
    """There is no such deletion in this workspace."""

    code = "unknown_erasure"


class UnknownSuppression(NotFound):
    """Nobody of this kind and external id was deleted."""

    code = "unknown_suppression"


class ErasureUnderWay(Conflict):
    """What was deleted is still being cleared away."""

    code = "erasure_under_way"


class Suppressed(Conflict):
    """The user or account was deleted; messages about it are not stored."""

    code = "suppressed"


class Fate(StrEnum):
    """What becomes of the rows of a table."""

    DELETED = "deleted"
    SCRUBBED = "scrubbed"
    KEPT = "kept"


@dataclass(frozen=True, slots=True)
class Holding:
    """What a table keeps of a user and of an account, and what becomes of it when either is deleted."""

    user: Fate
    account: Fate
    why: str


_D, _S, _K = Fate.DELETED, Fate.SCRUBBED, Fate.KEPT

HOLDINGS: Final[Mapping[str, Holding]] = {
    "access_groups": Holding(_K, _K, "names of groups of your staff"),
    "account_activity": Holding(_K, _D, "first and last seen and a count of events, per account"),
    "account_changes": Holding(_K, _K, "ids of accounts of ours, for an hour or so, so that copies in memory catch up"),
    "account_facts": Holding(_S, _D, "copies of what is known of the owner"),
    "account_parents": Holding(_K, _D, "which organization an account belongs to"),
    "accounts": Holding(_S, _D, "the owner trait may name the user; other traits are the account's"),
    "affiliations": Holding(_D, _K, "which organizations a user belongs to"),
    "alerts": Holding(_S, _D, "what was seen of the owner when the alert began and ended"),
    "api_keys": Holding(_K, _K, "keys of programs of yours"),
    "audit_entries": Holding(_S, _S, "requests by your staff and keys: what names the deleted is taken out"),
    "bulk_edit_rows": Holding(_K, _K, "ids of ours of what was edited, for thirty days"),
    "bulk_edits": Holding(_S, _S, "what was asked for; of edits of few records, the filter and values are blanked"),
    "custom_instances": Holding(_K, _D, "instances of custom objects go with the account they hang on"),
    "deliveries": Holding(_S, _D, "letters show the account and its owner"),
    "delivery_attempts": Holding(_S, _D, "receivers may repeat the letter in their answer"),
    "dirty_accounts": Holding(_K, _D, "accounts that wait to be evaluated"),
    "dirty_records": Holding(_K, _K, "ids of users and organizations that wait to be evaluated"),
    "element_instances": Holding(_K, _D, "which things the account has set up: ids that its events named"),
    "elements": Holding(_K, _K, "elements as you defined them"),
    "erasures": Holding(_S, _S, "names whom it deletes until it is done, a keyed hash afterwards"),
    "events": Holding(_D, _D, "what the user did, what happened at the account"),
    "idempotency_keys": Holding(_K, _K, "answers to writes, sealed, for a day"),
    "group_accounts": Holding(_K, _D, "which accounts a data-access group restricts"),
    "group_members": Holding(_K, _K, "which of your staff are in a data-access group"),
    "group_parents": Holding(_K, _K, "which organizations a data-access group restricts"),
    "health_days": Holding(_S, _D, "what the account's health was, and what was seen of the owner then"),
    "health_score_versions": Holding(_K, _K, "health scores as you wrote them"),
    "health_scores": Holding(_K, _K, "health scores as you write them"),
    "hot_facts": Holding(_K, _K, "names of traits reports ask for"),
    "import_errors": Holding(_D, _D, "faulty rows of imported files, in part"),
    "import_parts": Holding(
        _K, _K, "files until they are taken in or a week old; what they say of the deleted is dropped"
    ),
    "imports": Holding(_K, _K, "progress of imported files"),
    "inbox": Holding(
        _S, _S, "messages not applied yet: within seconds they are, or else looked through; those about the deleted go"
    ),
    "indicators": Holding(_K, _K, "conditions as you wrote them"),
    "invitations": Holding(_K, _K, "invitations of your own staff"),
    "jobs": Holding(_K, _K, "ids of ours only: of letters, endpoints, files and deletions"),
    "key_role_changes": Holding(_K, _D, "who of your staff looked after the account, and since when"),
    "key_roles": Holding(_K, _D, "who of your staff looks after the account"),
    "lifecycle_rules": Holding(_K, _K, "rules as you wrote them"),
    "measure_days": Holding(_D, _D, "how many events there were on a day, of each user"),
    "measure_totals": Holding(_S, _D, "how many events there were in all; those of the user are taken off"),
    "measures": Holding(_K, _K, "names of events, and filters as you wrote them"),
    "member_sessions": Holding(_K, _K, "where your own staff are signed in"),
    "members": Holding(_K, _K, "your own staff"),
    "memberships": Holding(_D, _D, "which users belong to which accounts"),
    "message_receipts": Holding(_K, _K, "hashes of message ids and bodies; without them a repeat would count again"),
    "metric_days": Holding(_K, _D, "what metrics of the account were, day by day"),
    "metrics": Holding(_K, _K, "metrics as you defined them"),
    "mrr_changes": Holding(_K, _D, "what the account's MRR was"),
    "organization_facts": Holding(_K, _K, "sums over the accounts of an organization"),
    "organization_role_changes": Holding(_K, _K, "who of your staff looked after the organization, and since when"),
    "organization_role_traits": Holding(_K, _K, "whom of your staff a trait of the organization names"),
    "organization_roles": Holding(_K, _K, "who of your staff looks after the organization"),
    "organizations": Holding(_K, _K, "parents of accounts, with traits of their own"),
    "owner_changes": Holding(_S, _D, "who owned the account before and after, and why"),
    "owner_choices": Holding(_D, _D, "who was chosen as owner by hand"),
    "owner_claims": Holding(_S, _D, "what the owner trait said over time"),
    "recounts": Holding(_K, _K, "progress of counting what was stored before"),
    "rejected_counts": Holding(_K, _K, "numbers of refused messages"),
    "rejected_messages": Holding(_D, _D, "refused messages as they came"),
    "rejected_totals": Holding(_K, _K, "numbers of refused messages"),
    "reprocessings": Holding(_K, _K, "progress of changed rules"),
    "segment_changes": Holding(_D, _D, "when the user or account entered and left segments"),
    "segment_exclusions": Holding(_D, _D, "out of which segments they were taken by hand"),
    "segment_links": Holding(_D, _D, "why they are in a segment"),
    "segments": Holding(_K, _K, "groups as you defined them"),
    "role_traits": Holding(_K, _D, "whom of your staff a trait of the account names"),
    "roles": Holding(_K, _K, "names of roles of your staff"),
    "status_changes": Holding(_D, _D, "which status the user or account had since when, and why"),
    "status_choices": Holding(_D, _D, "which status was chosen for them by hand"),
    "suppressions": Holding(_K, _K, "keyed hashes of the deleted, so that they do not come back"),
    "survey_responses": Holding(_D, _K, "what the user answered to surveys, and that they would not"),
    "survey_showings": Holding(_D, _K, "the days on which a survey was shown to the user"),
    "surveys": Holding(_K, _K, "surveys as you wrote them"),
    "trait_definitions": Holding(_K, _K, "what traits are called and may be"),
    "trait_history": Holding(
        _D, _D, "what was said of the user or account and when; other accounts' owner traits are scrubbed"
    ),
    "trait_mappings": Holding(_K, _K, "names of traits"),
    "user_activity": Holding(_D, _K, "when the user was seen and wrote"),
    "user_days": Holding(_D, _K, "the days on which the user was active"),
    "user_facts": Holding(_D, _K, "what rules derived about the user"),
    "users": Holding(_D, _K, "the user and their traits"),
    "views": Holding(_K, _K, "reports as you saved them"),
    "webhook_endpoints": Holding(_K, _K, "where your letters go"),
}
"""Every table with rows of a workspace. A test compares it with the catalogue: no table can be forgotten."""

STAGES: Final[Mapping[Kind, tuple[str, ...]]] = {
    "user": ("accounts", "letters", "events", "refused", "counts"),
    "account": ("letters", "events", "refused"),
}
"""What is cleared after the row itself, in this order: letters show accounts, so those are cleared first."""

NOTE: Final = "The user this was about was deleted."


@dataclass(frozen=True, slots=True)
class Subject:
    """Who is deleted: our id and the sender's."""

    kind: Kind
    id: UUID
    external_id: str

    @property
    def shown(self) -> str:
        """Our id on the wire."""
        return ids.show("usr" if self.kind == "user" else "acc", self.id)

    @property
    def needle(self) -> bytes:
        """What a letter about this user or account contains for certain."""
        return self.shown.encode()

    @property
    def names(self) -> list[str]:
        """Whatever a request may have called this user or account, as it is and as part of an address."""
        return sorted({self.shown, self.external_id, quote(self.external_id, safe="")})

    @property
    def quoted(self) -> str:
        """The external id as the reasons of owner changes write it."""
        return quoted(self.external_id)


def quoted(external_id: str) -> str:
    """A name in a sentence of ours: long ones are cut (see `domain.owners`)."""
    return f'"{external_id[:80]}…"' if len(external_id) > 80 else f'"{external_id}"'


def needles(subject: Subject, owner_keys: set[str]) -> list[bytes]:
    """What a letter contains if it may be about the subject: its id, its name as an owner trait, or in a reason."""
    if subject.kind == "account":
        return [subject.needle]
    named = [f"{_json(key)}:{_json(subject.external_id)}" for key in sorted(owner_keys)]
    spoken = f" {_json(subject.quoted)[1:-1]}"  # a name in a reason follows a space
    return [subject.needle, *(text.encode() for text in (*named, spoken))]


def redact(body: bytes, subject: Subject, owner_keys: set[str]) -> bytes:
    """A letter without the user: no owner, no former or new owner, no trait that names them, nothing seen of them."""
    letter = json.loads(body)
    data = letter.get("data", {})
    shown = subject.needle.decode()
    for role in ("owner", "previousOwner", "newOwner"):
        if isinstance(data.get(role), dict) and data[role].get("id") == shown:
            data[role] = None
    _redact_traits(data.get("account"), subject, owner_keys)
    if subject.quoted in str(data.get("reason", "")):
        data["reason"] = NOTE
    if isinstance(data.get("why"), list):
        data["why"] = [_unseen(one, subject) for one in data["why"]]
    return _json(letter).encode()


def without(envelope: Envelope, subject: Subject, owner_keys: set[str]) -> Envelope | None:
    """A message that waits, as it may stay: None if it names the subject, and without it where it is an owner trait."""
    if any((subject.kind, subject.external_id) in named_in(message) for message in envelope.messages):
        return None
    if subject.kind == "account":
        return envelope
    return replace(envelope, messages=tuple(_unowned(message, subject, owner_keys) for message in envelope.messages))


def _unowned(message: Message, subject: Subject, owner_keys: set[str]) -> Message:
    for key in owner_keys:
        if owner_named(message, key) == subject.external_id:
            message = without_owner(message, key)
    return message


def _redact_traits(account: Any, subject: Subject, owner_keys: set[str]) -> None:
    traits = account.get("traits") if isinstance(account, dict) else None
    if isinstance(traits, dict):
        for key in owner_keys & traits.keys():
            if as_text(traits[key]) == subject.external_id:
                del traits[key]


def _unseen(reason: Any, subject: Subject) -> Any:
    about = str(reason.get("field", "")) if isinstance(reason, dict) else ""
    if about == "owner" or about.startswith("owner.") or (about and reason.get("saw") == subject.external_id):
        return {**reason, "saw": None}
    return reason


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
