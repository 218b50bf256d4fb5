"""Helps generated requests to reach something, and keeps them from sawing off the branch they sit on.

Loaded by the schemathesis command through SCHEMATHESIS_HOOKS. `OWN_KEY` is the id of the key the run itself uses,
`KNOWN` maps path parameters to ids that exist, and `COVERAGE_SHARE` is how much of the coverage phase to keep, which
otherwise is as long as the description is rich.
"""

import json
import os
import random

import schemathesis

OWN_KEY = os.environ.get("OWN_KEY", "")
COVERAGE_SHARE = float(os.environ.get("COVERAGE_SHARE", "1"))
SOME_OTHER_KEY = "key_" + "0" * 31 + "1"
KNOWN = json.loads(os.environ.get("KNOWN", "{}"))
OFTEN = 0.6

chance = random.Random(20260301)


@schemathesis.hook
def before_call(context, case, kwargs):
    """Most requests about something known are about one that exists; none is about the key of the run itself."""
    parameters = case.path_parameters or {}
    if case.operation.definition.raw.get("operationId") in {"deleteUser", "deleteAccount"}:
        return
    for name, known in KNOWN.items():
        if name in parameters and chance.random() < OFTEN:
            parameters[name] = chance.choice(known)
    if parameters.get("key") == OWN_KEY:
        parameters["key"] = SOME_OTHER_KEY


@schemathesis.hook
def filter_case(context, case):
    """Keep this share of the coverage phase."""
    if case.meta is None or case.meta.phase.name.value != "coverage":
        return True
    return chance.random() < COVERAGE_SHARE
