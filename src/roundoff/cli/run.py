"""`roundoff run`: the pipeline, by DVC where it is, else one stage after the other."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import FrameType

from roundoff.cli.terminal.console import Commands
from roundoff.pipeline.composing import composed, section
from roundoff.pipeline.config.whole import PRECISIONS
from roundoff.pipeline.mending import mend
from roundoff.pipeline.running import IN_PLACE, dvc_stages, has_dvc, home, stages_in_order
from roundoff.pipeline.survival import die_with

# As dvc.yaml has it. Neither the current folder nor stages/ is looked into for modules: a numpy.py there is not what is
# meant. Paths are UTF-8 in any language: libraries in C++ take no others.
PYTHON = (sys.executable, "-P", "-X", "utf8")
PASSED_ON = (signal.SIGINT, signal.SIGTERM)


def add(commands: Commands) -> None:
    """The command `run`."""
    parser = commands.add_parser(
        "run",
        help="run the pipeline, or some stages of it",
        description="Runs what is not up to date: `dvc repro`, with settings `dvc exp run -S`. Where git or DVC is not "
        "there, runs the stages in order, by conf/ and the settings, in the current folder.",
    )
    parser.add_argument(
        "what",
        nargs="*",
        metavar="STAGE | KEY=VALUE",
        help="stages (default: all; `build` is every build) and settings, such as train.epochs=3 or model=resnet20",
    )
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Run, and return the exit code of what failed, else 0."""
    stages = [word for word in given.what if "=" not in word]
    settings = [word for word in given.what if "=" in word]
    return _by_dvc(stages, settings) if has_dvc(Path()) else _in_order(stages, settings)


def _by_dvc(stages: Sequence[str], settings: Sequence[str]) -> int:
    named = dvc_stages(Path(), stages)
    if settings:
        composed(home(Path()) / "conf", settings)  # refuses what is misspelt in words of its own
        command = ["exp", "run", *(word for setting in settings for word in ("-S", setting)), *named]
    else:
        command = ["repro", *named]
    for mended in mend(Path()):
        print(f"warning: {mended}", file=sys.stderr)
    _say(["dvc", *command])
    return _ran([*PYTHON, "-m", "dvc", *command])


def _in_order(stages: Sequence[str], settings: Sequence[str]) -> int:
    place = home(Path())
    cfg = composed(place / "conf", settings)
    precisions = [str(name) for group in PRECISIONS for name in section(cfg, group)]
    for script, precision in stages_in_order(stages, precisions):
        chosen = [f"build.precision={precision}"] if precision else []
        _say([script, *chosen])
        command = [str(place / f"stages/{script}.py"), *chosen, *settings, *IN_PLACE]
        if code := _ran([*PYTHON, "-X", "faulthandler", *command], place / "src"):
            return code
    return 0


def _say(command: Sequence[str]) -> None:
    print(f"$ {shlex.join(command)}", flush=True)


def _ran(command: Sequence[str], source: Path | None = None) -> int:
    """The exit code of a command, as a shell has it. What asks this process to stop is passed on.

    Killed, this process takes the command along.
    """
    others = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    path = os.pathsep.join(filter(None, [str(source or ""), *others]))  # an empty entry would be the current folder
    inherited = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment = inherited | ({"PYTHONPATH": path} if path else {})
    ending = partial(die_with, os.getpid())
    with subprocess.Popen(command, env=environment, preexec_fn=ending) as process:

        def pass_on(number: int, _: FrameType | None) -> None:
            process.send_signal(number)

        before = {number: signal.signal(number, pass_on) for number in PASSED_ON}
        try:
            code = process.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    return code if code >= 0 else 128 - code
