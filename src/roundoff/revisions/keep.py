"""Keeps a finished run under results/: `python -m roundoff.revisions.keep MACHINE/RUN JAPANESE_REPORT_FOLDER`."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from roundoff.errors import ConfigError, RoundoffError
from roundoff.system import own
from roundoff.system.files import whole_directory

RUN = ("platform.json", "params.yaml", "dvc.lock")
JAPANESE = ("report.html", "report.md")


def names(_: Path) -> Sequence[str]:
    """What a kept run consists of."""
    return (*own.metrics(Path()), *RUN, *(_japanese(name) for name in JAPANESE))


def keep(project: Path, name: str, japanese: Path) -> Path:
    """Copy the run in `project`, with the report in `japanese`, to results/NAME, which is replaced as a whole.

    Raises ConfigError for a name that leads elsewhere, or to a folder that holds anything but a kept run.
    """
    if not all(re.fullmatch("[A-Za-z0-9_-][A-Za-z0-9_.-]*", part) for part in name.split("/")):
        raise ConfigError(
            "the run cannot be kept under that name",
            received=f"NAME={name}",
            expected="MACHINE/RUN, of letters, digits, _, - and .",
            fix="use make results NAME=MACHINE/RUN",
        )
    kept = project / "results" / name
    with whole_directory(kept, names) as partial:
        for path in sorted((project / "metrics").rglob("*")):
            relative = path.relative_to(project / "metrics")
            if path.is_file() and own.fits(relative.parts, own.metrics(Path())):
                (partial / relative).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, partial / relative)
        for file in RUN:
            shutil.copy(project / file, partial / file)
        for file in JAPANESE:
            shutil.copy(japanese / file, partial / _japanese(file))
    return kept


def _japanese(name: str) -> str:
    stem, kind = name.split(".")
    return f"{stem}.ja.{kind}"


if __name__ == "__main__":
    try:
        keep(Path(), sys.argv[1], Path(sys.argv[2]))
    except RoundoffError as error:
        sys.exit(f"error: {error}")
