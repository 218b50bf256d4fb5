"""A process that serves the embedded servers until it is stopped or killed; the tests start it and kill it."""

import sys
import time
from pathlib import Path

from app.embedded import CannotStart, postgres, valkey

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    try:
        with postgres(folder, fast=True) as database, valkey(folder) as bell:
            print(database, bell, flush=True)
            time.sleep(600)
    except CannotStart as error:
        sys.exit(str(error))
