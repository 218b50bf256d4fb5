"""Why an account or organization has the NPS it has: the latest answers of its users."""

from datetime import datetime
from typing import Final
from uuid import UUID

from app.db import nps
from app.db.base import Session
from app.domain import ids
from app.domain.fields import Fact, Subject, subject_of
from app.domain.nps import Tally, group
from app.domain.why import Why

PATHS: Final = ("nps", "npsResponses", "npsPromoters", "npsPassives", "npsDetractors", "npsLastAt")
SHOWN: Final = 20
_RULES: Final = {
    "nps": "Percent of users who are promoters (9 or 10) less percent who are detractors (0 to 6)",
    "npsResponses": "The number of users who answered",
    "npsPromoters": "The number of users who answered 9 or 10",
    "npsPassives": "The number of users who answered 7 or 8",
    "npsDetractors": "The number of users who answered 0 to 6",
    "npsLastAt": "When the last answer was given",
}
_WHOSE: Final = {
    Subject.ACCOUNTS: "users linked to the account",
    Subject.ORGANIZATIONS: "users of its accounts and users linked to the organization itself, each once",
}


async def score(db: Session, workspace_id: UUID, record_id: UUID, fact: Fact, now: datetime) -> Why:
    """The sum, and the latest twenty of the answers it is made of."""
    del now
    subject = subject_of(fact)
    whose = nps.people_of(workspace_id, subject, record_id)
    found = await nps.tally(db, workspace_id, whose)
    tally = Tally(found["promoters"], found["passives"], found["detractors"], found["last_at"])
    summed = {
        "kind": "sum",
        "promoters": tally.promoters,
        "passives": tally.passives,
        "detractors": tally.detractors,
        "responses": tally.responses,
        "score": tally.score,
    }
    answers = [
        {
            "kind": "answer",
            "user": ids.show("usr", row["user_id"]),
            "score": row["score"],
            "group": str(group(row["score"])),
            "at": row["responded_at"],
        }
        for row in await nps.latest(db, workspace_id, whose, limit=SHOWN)
    ]
    rule = f"{_RULES[fact.path]}; of each the latest answer counts, and of {_WHOSE[subject]}."
    return Why(None, rule, [summed, *answers], since=tally.last_at)
