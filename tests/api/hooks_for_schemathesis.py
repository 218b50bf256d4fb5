"""Helps generated requests to reach something, and keeps them from sawing off the branch they sit on.

Loaded by the schemathesis command through SCHEMATHESIS_HOOKS. `OWN_KEY` is the id of the key the run itself uses.
"""

import os
import random

import schemathesis

OWN_KEY = os.environ.get("OWN_KEY", "")
SOME_OTHER_KEY = "key_" + "0" * 31 + "1"
KNOWN = {"account": ["acme", "globex", "initech"], "user": ["user-1", "user-2"]}
OFTEN = 0.6

chance = random.Random(20260301)


@schemathesis.hook
def before_call(context, case, kwargs):
    """Half of the requests are about an account or user that exists; none is about the key of the run itself."""
    parameters = case.path_parameters or {}
    for name, known in KNOWN.items():
        if name in parameters and chance.random() < OFTEN:
            parameters[name] = chance.choice(known)
    if parameters.get("key") == OWN_KEY:
        parameters["key"] = SOME_OTHER_KEY
