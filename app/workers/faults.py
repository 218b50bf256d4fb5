"""Named points where the process can be made to die, so that every row of the failure matrix can be walked."""

import os
from collections import Counter

_NAME, _, _NTH = os.environ.get("STEWARD_CRASH_AT", "").partition(":")
_hits: Counter[str] = Counter()


def fault(point: str) -> None:
    """Nothing, unless `STEWARD_CRASH_AT=point:n` asks for the process to end here at the n-th passing."""
    if point != _NAME:
        return
    _hits[point] += 1
    if _hits[point] >= int(_NTH or 1):
        os._exit(86)
