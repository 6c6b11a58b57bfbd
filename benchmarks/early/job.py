"""How long does the default job take with `evaluate.stop_early`? Start it with nothing else running:

    python -m benchmarks.early.job [--check] [--quick] [--out FILE]

The project's commit is cloned, and `roundoff run evaluate.stop_early=0.99` makes everything anew there, as a user's
first run does. Prints JSON: the seconds of each stage, with what DVC does around it, and in all. With --check, exits 1
where that is more than 90. --quick stops after two stages.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.commands import ROOT
from benchmarks.targets import run
from roundoff.backend.fingerprint import fingerprint
from roundoff.results.checked import as_json
from roundoff.system.git import git

MOST_SECONDS = 90
SETTING = "evaluate.stop_early=0.99"
STAGE = re.compile(r"Running stage '([^']+)'")
TARGETS: dict[str, Callable[[dict[str, Any]], bool]] = {
    f"the default job takes at most {MOST_SECONDS} s": lambda r: r["seconds"] <= MOST_SECONDS,
}


def measure(scale: float) -> dict[str, Any]:
    """Seconds in all and by stage; raises RuntimeError with the job's last words where it fails."""
    stages = ["prepare"] if scale < 1 else []
    with tempfile.TemporaryDirectory(prefix="roundoff-job-") as folder:
        clone = Path(folder) / "clone"
        made = git(ROOT, "clone", "--quiet", str(ROOT), str(clone))
        if made.returncode:
            raise RuntimeError(made.stderr)
        before = time.perf_counter()
        began = _began(clone, [*stages, SETTING], before)
        seconds = time.perf_counter() - before
    ends = [*[at for _, at in began[1:]], seconds]
    return {
        "platform": as_json(fingerprint()),
        "commit": git(ROOT, "rev-parse", "HEAD").stdout.strip(),
        "setting": SETTING,
        "seconds": round(seconds, 1),
        "start_s": round(began[0][1], 1),
        "stages_s": {name: round(end - at, 1) for (name, at), end in zip(began, ends, strict=True)},
    }


def _began(clone: Path, words: list[str], before: float) -> list[tuple[str, float]]:
    """Each stage with the seconds until it began, of a job that has ended well."""
    command = [sys.executable, "-m", "roundoff.cli", "run", *words]
    lines, began = list[str](), list[tuple[str, float]]()
    with subprocess.Popen(
        command, cwd=clone, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as job:
        assert job.stdout is not None
        for line in job.stdout:
            lines.append(line)
            if found := STAGE.search(line):
                began.append((found[1], time.perf_counter() - before))
    if job.returncode or not began:
        raise RuntimeError(f"exit code {job.returncode}: {''.join(lines)[-2000:]}")
    return began


if __name__ == "__main__":
    sys.exit(run("benchmarks.early.job", __doc__, measure, TARGETS, sys.argv[1:]))
