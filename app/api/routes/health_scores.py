"""Health scores: defining them, trying them before they are saved, and what they were made of."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, Final

from fastapi import Query

from app.api.deps import Now, Paged, Reader, Ref, RuleMaker, Services, Tx
from app.api.problems import problems
from app.api.routing import Router
from app.api.schemas.base import page
from app.api.schemas.health import (
    HealthScoreIn,
    HealthScoreOut,
    HealthScorePage,
    HealthScorePatch,
    HealthScorePreviewIn,
    HealthScorePreviewOut,
    HealthScoreTemplate,
    HealthScoreTemplatesOut,
    HealthScoreVersionOut,
    HealthScoreVersionPage,
    SubjectName,
)
from app.api.turns import Turns
from app.db.health_previews import Move, Tally
from app.domain import ids
from app.domain.cursors import InvalidCursor
from app.domain.errors import TooMany
from app.domain.fields import Subject
from app.domain.health import (
    HealthScoreArchived,
    HealthScoreExists,
    PreviewTooSlow,
    State,
    TooManyHealthScores,
    UnknownHealthScore,
    UnusableHealthScore,
    label,
)
from app.domain.health_templates import TEMPLATES
from app.services import health_previews, health_scores
from app.services.health_previews import Preview, Trial
from app.services.health_scores import Wanted

router = Router("health scores")


class TooManyPreviews(TooMany):
    """As many previews as one process reckons at a time are under way."""

    code = "too_many_previews"


PREVIEWS: Final = Turns(2, TooManyPreviews)

PREFIXES = {Subject.ACCOUNTS: "acc", Subject.ORGANIZATIONS: "org"}
LINKS = {
    name: {"operationId": name, "parameters": {"health_score": "$response.body#/id"}}
    for name in ("getHealthScore", "updateHealthScore", "archiveHealthScore", "listHealthScoreVersions")
}
RULES = frozenset({"weight", "conditions", "variants"})


def _shown(row: Mapping[str, Any]) -> HealthScoreOut:
    return HealthScoreOut.model_validate({**row, **row["rules"]}, extra="ignore")


@router.post(
    "/health-scores",
    status_code=201,
    operation_id="createHealthScore",
    responses={
        **problems(UnusableHealthScore, HealthScoreExists, TooManyHealthScores),
        201: {"description": "The health score.", "links": LINKS},
    },
)
async def create_health_score(body: HealthScoreIn, caller: RuleMaker, tx: Tx, now: Now) -> HealthScoreOut:
    """Define a health score. Every record of its subject is scored in the background, and from then on whenever its
    score may change."""
    new = Wanted(Subject(body.subject), body.name, body.slug, body.description, body.written(RULES))
    return _shown(await health_scores.create(tx, caller.workspace_id, new, by=caller.actor, now=now))


@router.get("/health-scores", operation_id="listHealthScores", responses=problems(InvalidCursor))
async def list_health_scores(
    caller: Reader,
    tx: Tx,
    paging: Paged,
    subject: Annotated[SubjectName | None, Query(description="Only those of this subject.")] = None,
    archived: Annotated[bool, Query(description="Also list archived ones.")] = False,  # noqa: FBT002 - a query parameter
) -> HealthScorePage:
    """Health scores in the order they were made."""
    scope = f"health_scores:{subject}:{archived}"
    after = paging.after(scope)
    found = await health_scores.page(
        tx,
        caller.workspace_id,
        subject=None if subject is None else Subject(subject),
        after=after[0] if after else None,
        limit=paging.fetch,
        archived=archived,
    )
    rows, cursor = paging.cut(found, scope, lambda row: [row["id"]])
    return page([_shown(row) for row in rows], cursor, HealthScorePage)


@router.get("/health-scores/templates", operation_id="listHealthScoreTemplates")
async def list_health_score_templates(caller: Reader) -> HealthScoreTemplatesOut:
    """Health scores to begin with, ready to be changed and sent to `POST /health-scores`."""
    del caller  # whoever may read
    found = [HealthScoreTemplate.model_validate({"variants": [], **one}, strict=False) for one in TEMPLATES]
    return HealthScoreTemplatesOut(data=found)


@router.post(
    "/health-scores/preview",
    operation_id="previewHealthScore",
    responses=problems(UnknownHealthScore, UnusableHealthScore, TooManyHealthScores, PreviewTooSlow, TooManyPreviews),
)
async def preview_health_score(
    body: HealthScorePreviewIn, caller: Reader, state: Services, now: Now
) -> HealthScorePreviewOut:
    """What rules would come to for every record you may see: how labels are spread before and after, the averages, and
    whose label would change. Nothing is stored."""
    said = body.written(RULES & body.model_fields_set if body.score else RULES)
    subject = None if body.subject is None else Subject(body.subject)
    trial = Trial(subject, body.score, said, body.examples, body.sample)
    with PREVIEWS.take():
        async with state.transaction(caller) as db:
            found = await health_previews.preview(db, caller.workspace_id, trial, now=now)
    return _tried(found)


def _tried(found: Preview) -> HealthScorePreviewOut:
    answer = found.answer
    before, after, health_before, health_after = answer.tallies
    return HealthScorePreviewOut.model_validate(
        {
            "subject": found.subject.value,
            "looked_at": answer.looked_at,
            "sampled": found.one_in > 1,
            "one_in": found.one_in,
            "changed": answer.changed,
            "score": _moved(before, after, answer.score_moves),
            "health": _moved(health_before, health_after, answer.health_moves),
            "examples": [
                {
                    "id": ids.show(PREFIXES[found.subject], id_),
                    "external_id": found.named[id_]["externalId"],
                    "name": found.named[id_]["name"],
                    "score": {"before": _value(values[0]), "after": _value(values[1])},
                    "health": {"before": _value(values[2]), "after": _value(values[3])},
                }
                for id_, values in answer.examples
                if id_ in found.named
            ],
        }
    )


def _moved(before: Tally, after: Tally, moves: Mapping[Move, int]) -> dict[str, Any]:
    ordered: Sequence[tuple[Move, int]] = sorted(moves.items(), key=lambda move: (-move[1], str(move[0])))
    return {
        "before": _spread(before),
        "after": _spread(after),
        "moves": [{"before": one, "after": other, "count": count} for (one, other), count in ordered],
    }


def _spread(tally: Tally) -> dict[str, Any]:
    average = None if tally.average is None else round(tally.average, 2)
    return {**{one.value: tally.labels[one.value] for one in State}, "none": tally.labels[None], "average": average}


def _value(score: Decimal | None) -> dict[str, Any]:
    name = label(score)
    return {"score": score, "label": None if name is None else name.value}


@router.get("/health-scores/{health_score}", operation_id="getHealthScore", responses=problems(UnknownHealthScore))
async def get_health_score(health_score: Ref, caller: Reader, tx: Tx) -> HealthScoreOut:
    """One health score by its id, archived or not, or by the slug of a live one."""
    return _shown(await health_scores.show(tx, caller.workspace_id, health_score))


@router.patch(
    "/health-scores/{health_score}",
    operation_id="updateHealthScore",
    responses=problems(UnknownHealthScore, UnusableHealthScore, HealthScoreArchived, TooManyHealthScores),
)
async def update_health_score(
    health_score: Ref, body: HealthScorePatch, caller: RuleMaker, tx: Tx, now: Now
) -> HealthScoreOut:
    """Change a health score. Other rules are a new version, which is applied to every record."""
    named = {name: getattr(body, name) for name in body.model_fields_set & {"name", "description"}}
    said = body.written(RULES & body.model_fields_set)
    row = await health_scores.change(tx, caller.workspace_id, health_score, named, said, by=caller.actor, now=now)
    return _shown(row)


@router.delete(
    "/health-scores/{health_score}",
    status_code=204,
    operation_id="archiveHealthScore",
    responses=problems(UnknownHealthScore),
)
async def archive_health_score(health_score: Ref, caller: RuleMaker, tx: Tx, now: Now) -> None:
    """Retire a health score: records lose it, what it was stays in their history. Repeating it is harmless."""
    await health_scores.archive(tx, caller.workspace_id, health_score, now=now)


@router.get(
    "/health-scores/{health_score}/versions",
    operation_id="listHealthScoreVersions",
    responses=problems(UnknownHealthScore, InvalidCursor),
)
async def list_health_score_versions(
    health_score: Ref, caller: Reader, tx: Tx, paging: Paged
) -> HealthScoreVersionPage:
    """What a health score was made of, the newest version first."""
    scope = f"health_score_versions:{health_score}"
    after = paging.after(scope)
    before = after[0] if after else None
    found = await health_scores.versions(tx, caller.workspace_id, health_score, before=before, limit=paging.fetch)
    rows, cursor = paging.cut(found, scope, lambda row: [row["version"]])
    shown = [
        HealthScoreVersionOut.model_validate({**row, **row["rules"], "by": row["changed_by"]}, extra="ignore")
        for row in rows
    ]
    return page(shown, cursor, HealthScoreVersionPage)
