"""Brings JavaScript SDKs: installed once with npm, outside the repository, and kept for the next run."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

NODE = ("analytics-node-3.1.0", "@segment/analytics-node@3.1.0")
BROWSER = ("analytics-next-1.84.3", "@segment/analytics-next@1.84.3", "jsdom@24.1.3")
INSTALL = ("npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
SECONDS = 120


class NotHere(Exception):
    """Why an SDK cannot be had on this machine."""


def folder(name, *packages):
    """The folder of this name with these packages in it. Raises NotHere."""
    missing = [name for name in ("node", "npm") if shutil.which(name) is None]
    if missing:
        raise NotHere(f"{' and '.join(missing)} not found on this machine")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "steward-tests"
    wanted = cache / name
    if not (wanted / "node_modules").is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        _install(cache, wanted, packages)
    return wanted


def _install(cache, wanted, packages):
    """Into a folder beside, then renamed: a run that is cut short, or one beside us, leaves nothing half done."""
    with tempfile.TemporaryDirectory(dir=cache) as place:
        made = Path(place) / "made"
        made.mkdir()
        (made / "package.json").write_text('{"private": true}\n', encoding="utf-8")
        command = [*INSTALL, *packages]
        try:
            ended = subprocess.run(command, cwd=made, capture_output=True, text=True, timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired:
            raise NotHere(f"npm did not bring {packages[0]} within {SECONDS} s: no network?") from None
        if ended.returncode:
            raise NotHere(f"npm could not bring {packages[0]}: {ended.stderr.strip()[-300:]}")
        if not wanted.exists():
            made.rename(wanted)
