"""What a bulk edit does to a slice of its records, and what it would change: one class per action."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Protocol
from uuid import UUID

from app.db import facts, key_roles, segment_links
from app.db.base import Session
from app.domain import ids
from app.domain.assignment import Algorithm
from app.domain.bulk_edits import CHANGED, UNCHANGED, Difference, Differences, Edit, Outcomes, UnsuitableAction
from app.domain.fields import Subject
from app.domain.roles import Cause, Source
from app.domain.segments import SegmentArchived, State
from app.services import assignment, bulk_statuses, bulk_traits, members, roles, segments, staffing, subjects
from app.services.assignment import Wanted
from app.services.trait_records import Editor


class Action(Protocol):
    """`check` turns what was asked for into what is stored: names become ids, and what cannot be is refused."""

    subjects: ClassVar[frozenset[Subject]]

    async def check(self, db: Session, workspace_id: UUID, edit: Edit, editor: Editor) -> Mapping[str, Any]: ...

    async def apply(
        self, db: Session, workspace_id: UUID, edit: Edit, records: Sequence[UUID], editor: Editor
    ) -> Outcomes: ...

    async def compare(self, db: Session, workspace_id: UUID, edit: Edit, records: Sequence[UUID]) -> Differences: ...


_ALL: Final = frozenset(Subject)


def _of(records: Sequence[UUID], changed: Sequence[UUID] | frozenset[UUID]) -> Outcomes:
    moved = set(changed)
    return {record: CHANGED if record in moved else UNCHANGED for record in records}


@dataclass(frozen=True, slots=True)
class SetTraits:
    """Set some traits to the same values, or clear those that are null."""

    subjects: ClassVar[frozenset[Subject]] = _ALL

    async def check(self, db: Session, workspace_id: UUID, edit: Edit, editor: Editor) -> Mapping[str, Any]:
        """Raises what editing one record's traits raises."""
        await bulk_traits.check(db, workspace_id, edit.subject, edit.action["traits"], editor)
        return edit.action

    async def apply(
        self, db: Session, workspace_id: UUID, edit: Edit, records: Sequence[UUID], editor: Editor
    ) -> Outcomes:
        """One message per record that differs, stored together."""
        traits = edit.action["traits"]
        return await bulk_traits.apply(db, workspace_id, edit.subject, records, traits, editor=editor, now=edit.now)

    async def compare(self, db: Session, workspace_id: UUID, edit: Edit, records: Sequence[UUID]) -> Differences:
        """The named traits before and after."""
        return await bulk_traits.compare(db, workspace_id, edit.subject, records, edit.action["traits"])


@dataclass(frozen=True, slots=True)
class AssignKeyRole:
    """Give a role to one member, to nobody, or to those whom an algorithm chooses."""

    subjects: ClassVar[frozenset[Subject]] = frozenset({Subject.ACCOUNTS, Subject.ORGANIZATIONS})

    async def check(self, db: Session, workspace_id: UUID, edit: Edit, editor: Editor) -> Mapping[str, Any]:
        """Raises `UnknownRole`, `UnknownMember`, `MemberDeactivated`, `UnsuitableAction`."""
        del editor
        asked = dict(edit.action)
        if asked.get("candidates") is not None and edit.subject is not Subject.ACCOUNTS:
            raise UnsuitableAction("Only accounts are dealt out to candidates; name the `member` who gets the role.")
        asked["role"] = await roles.hold(db, workspace_id, asked["role"])
        if asked.get("member") is not None:
            found = await members.find_active(db, workspace_id, asked["member"])
            asked["member"] = ids.show("mem", found["id"])
        if asked.get("candidates") is not None:
            found_all = [await members.find(db, workspace_id, ref) for ref in asked["candidates"]]
            asked["candidates"] = [ids.show("mem", row["id"]) for row in found_all]
        return asked

    async def apply(
        self, db: Session, workspace_id: UUID, edit: Edit, records: Sequence[UUID], editor: Editor
    ) -> Outcomes:
        """Those who choose for the same role wait for each other; the records are evaluated soon after."""
        role = await roles.hold(db, workspace_id, edit.action["role"])
        wanted = await self._chosen(db, workspace_id, edit, role, records)
        cause = Cause(Source.BULK, editor.actor, edit.now)
        changed = await staffing.assign_many(db, workspace_id, role, wanted, cause, subject=edit.subject)
        await subjects.mark(db, workspace_id, edit.subject, changed)
        return _of(records, changed)

    async def compare(self, db: Session, workspace_id: UUID, edit: Edit, records: Sequence[UUID]) -> Differences:
        """Who holds the role, and who would."""
        role = edit.action["role"]
        held = await key_roles.holders(db, workspace_id, role, records, subject=edit.subject)
        chosen = {**held, **await self._chosen(db, workspace_id, edit, role, records)}
        people = await facts.members(db, workspace_id, {one for one in (*held.values(), *chosen.values()) if one})

        def told(member_id: UUID | None) -> Any:
            person = people.get(member_id) if member_id else None
            return person and {"id": ids.show("mem", person.id), "name": person.name, "email": person.email}

        return {one: Difference(told(held.get(one)), told(chosen.get(one))) for one in records}

    async def _chosen(
        self, db: Session, workspace_id: UUID, edit: Edit, role: str, records: Sequence[UUID]
    ) -> dict[UUID, UUID | None]:
        asked = edit.action
        alone = bool(asked.get("doNotReplace"))
        if asked.get("candidates") is not None:
            wanted = Wanted(role, asked["candidates"], Algorithm(asked["algorithm"]), do_not_replace=alone)
            _, candidates = await assignment.resolve(db, workspace_id, wanted)
            dealt = await assignment.choose(
                db, workspace_id, role, candidates, wanted.algorithm, records, do_not_replace=alone
            )
            return dict(dealt.chosen)
        member_id = None if asked.get("member") is None else ids.read("mem", asked["member"])
        held = await key_roles.holders(db, workspace_id, role, records, subject=edit.subject) if alone else {}
        return {record: member_id for record in records if record not in held}


@dataclass(frozen=True, slots=True)
class SetSegment:
    """Put records into a segment by hand, or take them out of it."""

    state: State
    subjects: ClassVar[frozenset[Subject]] = _ALL

    async def check(self, db: Session, workspace_id: UUID, edit: Edit, editor: Editor) -> Mapping[str, Any]:
        """Raises `UnknownSegment`, `SegmentArchived`, `UnsuitableAction`."""
        del editor
        segment = await segments.show(db, workspace_id, self._id(edit))
        if segment["subject"] != edit.subject:
            raise UnsuitableAction(f"This segment is one of {segment['subject']}, not of {edit.subject}.")
        if segment["archived_at"] is not None:
            raise SegmentArchived("Nobody enters or leaves an archived segment; make a new one.")
        return edit.action

    async def apply(
        self, db: Session, workspace_id: UUID, edit: Edit, records: Sequence[UUID], editor: Editor
    ) -> Outcomes:
        """What was decided by hand before is replaced."""
        found = await segments.set_members(
            db,
            workspace_id,
            self._id(edit),
            dict.fromkeys(records, self.state),
            source=self._source(editor.actor),
            by=editor.actor,
            now=edit.now,
        )
        return {record: CHANGED if one.change else UNCHANGED for record, one in found.items()}

    async def compare(self, db: Session, workspace_id: UUID, edit: Edit, records: Sequence[UUID]) -> Differences:
        """Whether each is a member, and whether it would be."""
        segment_id = self._id(edit)
        inside = await segment_links.members_among(db, workspace_id, segment_id, records) if segment_id else set()
        return {one: Difference(one in inside, self.state is State.INCLUDED) for one in records}

    @staticmethod
    def _id(edit: Edit) -> UUID | None:
        return ids.read("seg", edit.action["segment"])

    @staticmethod
    def _source(by: str) -> str:
        return "manual" if by.startswith("mem_") else "api"


@dataclass(frozen=True, slots=True)
class SetStatus:
    """Decide the status by hand, or hand it back to the rules."""

    subjects: ClassVar[frozenset[Subject]] = _ALL

    async def check(self, db: Session, workspace_id: UUID, edit: Edit, editor: Editor) -> Mapping[str, Any]:
        """Raises `UnusableStatus`."""
        del db, workspace_id, editor
        bulk_statuses.check(edit.subject, edit.action["status"])
        return edit.action

    async def apply(
        self, db: Session, workspace_id: UUID, edit: Edit, records: Sequence[UUID], editor: Editor
    ) -> Outcomes:
        """Each record is evaluated before, so that what the rules say now is known, and after."""
        status = edit.action["status"]
        return await bulk_statuses.apply(db, workspace_id, edit.subject, records, status, by=editor.actor, now=edit.now)

    async def compare(self, db: Session, workspace_id: UUID, edit: Edit, records: Sequence[UUID]) -> Differences:
        """The status as stored, and as chosen."""
        return await bulk_statuses.compare(db, workspace_id, edit.subject, records, edit.action["status"], now=edit.now)


ACTIONS: Final[Mapping[str, Action]] = {
    "setTraits": SetTraits(),
    "assignKeyRole": AssignKeyRole(),
    "addToSegment": SetSegment(State.INCLUDED),
    "removeFromSegment": SetSegment(State.EXCLUDED),
    "setStatus": SetStatus(),
}


def action_of(edit: Edit) -> Action:
    """The action of an edit. Raises `UnsuitableAction` when it cannot be done to such records."""
    found = ACTIONS[edit.action["type"]]
    if edit.subject not in found.subjects:
        raise UnsuitableAction(f"`{edit.action['type']}` is for {', '.join(sorted(found.subjects))}.")
    return found
