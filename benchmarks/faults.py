"""Kills everything while events are posted and webhooks received, and prints the sentence we publish about it.

    python benchmarks/faults.py [--quick] [--seed N] [--publish]

Real processes on this one machine: PostgreSQL, Valkey, an API, two workers, a receiver that answers badly now and then.
What must be there in the end is foretold from the messages alone and compared as sets. The same faults against the same
service without one of its defences show that the comparison can fail. The last line is one JSON object.
"""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import published
from benchmarks.support import close
from tests.faults import campaign

QUICK = {None: 0.2, "leases": 0.5, "receipts": 0.2}
FULL = {None: campaign.MAIN, "leases": campaign.CONTROL, "receipts": campaign.CONTROL}


def main() -> None:
    asked = arguments()
    plans = {name: campaign.quicker(plan, QUICK[name] if asked.quick else 1.0) for name, plan in FULL.items()}
    sizes = {None: (5000, 500), "leases": campaign.MANY_LETTERS, "receipts": (2500, 300)}
    outcomes = {}
    with campaign.place() as folder:
        for careless, plan in plans.items():
            began = time.monotonic()
            events, accounts = (round(number * plan.seconds / FULL[careless].seconds) for number in sizes[careless])
            outcomes[careless] = campaign.run(
                folder / str(careless), plan, seed=asked.seed, events=events, accounts=accounts, careless=careless
            )
            print(f"{NAMES[careless]}, {time.monotonic() - began:.0f} s, seed {asked.seed}")
            print(f"  {outcomes[careless].sentence}")
            print("  " + str(outcomes[careless].report).replace("\n", "\n  "), flush=True)
    conclude(outcomes, publish=asked.publish)


NAMES = {
    None: "As it is",
    "leases": "Without leases (a claim counts as done before the work is)",
    "receipts": "Without receipts (every message counts as new)",
}
BLOWS = {"kill": "kill_9", "flush": "redis_flushes", "valkey": "redis_restarts", "postgres": "database_crashes"}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a fifth of everything, in about a minute")
    parser.add_argument("--seed", type=int, default=campaign.SEED, help="of the script and of the schedule of faults")
    parser.add_argument(
        "--publish", action="store_true", help="write docs/faults.json, and what the documents say of it"
    )
    return parser.parse_args()


def conclude(outcomes, *, publish: bool) -> None:
    main_, leases, receipts = (outcomes[name] for name in (None, "leases", "receipts"))
    lost, doubled = len(leases.report.lost.get("letters received", [])), receipts.report.count_doubled
    report = main_.report
    figures = {
        "seed": main_.seed,
        **{BLOWS[what]: count for what, count in sorted(main_.blows.items())},
        "acknowledged_events": main_.acknowledged,
        "messages_repeated": main_.repeated,
        "requests_unanswered": main_.statuses[0],
        "requests_503": main_.statuses[503],
        "slowest_acknowledgement_s": round(main_.slowest, 2),
        "webhooks": report.letters,
        "webhooks_refused_by_receiver": report.refused,
        "webhooks_resent": report.resent,
        "lost": report.count_lost,
        "duplicated": report.count_doubled,
        "otherwise_wrong": sum(len(found) for found in report.wrong.values()),
        "at_rest_after_s": round(main_.rest_seconds, 1),
        "control_without_leases_lost": lost,
        "control_without_receipts_doubled": doubled,
    }
    print(f"\n{published.sentence(figures)}")
    if publish:
        published.publish(figures)
    sound = float(report.faultless)
    close(
        "faults",
        figures,
        {"faultless": sound, "controls_red": float(bool(lost) and bool(doubled))},
        {"faultless": 1.0, "controls_red": 1.0},
    )


if __name__ == "__main__":
    main()
