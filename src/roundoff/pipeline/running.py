"""Where the stages and their configuration are, and what a run of them consists of."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from shutil import which

import roundoff
from roundoff.errors import DataError, RoundoffError
from roundoff.system.git import git
from roundoff.system.plain_files import read_plain
from roundoff.system.slots import GIVEN, MIXED, section_of
from roundoff.system.yaml_files import parsed_yaml

BUILD, MIX = "build", "mix"
BEFORE_BUILD = ("probe", "prepare", "train", "export", "calibrate", "sensitivity")
AFTER_BUILD = ("profile", "evaluate", "report")
EVERY = (*BEFORE_BUILD, MIX, BUILD, *AFTER_BUILD)
DVC_YAML, RESTORE = "dvc.yaml", "restore it with `git checkout dvc.yaml`"
SCRIPTS = {"profile": "layers"}  # a script of that name would stand in for a module of Python's own
# Written in place, whatever Hydra's own settings are; a stage by hand has a folder of its own.
IN_PLACE = ("hydra.run.dir=.", "hydra.output_subdir=null", "hydra/job_logging=stdout")


def home(project: Path) -> Path:
    """The folder of stages/ and conf/: the project's, else the package's checkout. Raises RoundoffError."""
    places = (project.resolve(), Path(roundoff.__path__[0]).parents[1])
    place = next((place for place in places if (place / "stages").is_dir() and (place / "conf").is_dir()), None)
    if place is None:
        raise RoundoffError(
            "the stages are not here",
            received=f"no folders stages and conf in {' or '.join(map(str, places))}",
            expected="a clone of roundoff, or roundoff installed from one with `pip install -e`",
            fix="go to the clone, or install from it",
        )
    return place


def has_dvc(project: Path) -> bool:
    """Whether DVC can run the pipeline in this folder: a DVC project in git, and both programs."""
    if not (project / DVC_YAML).is_file() or not (project / ".dvc").is_dir() or find_spec("dvc") is None:
        return False
    return which("git") is not None and git(project, "rev-parse", "--git-dir").returncode == 0


def dvc_stages(project: Path, asked: Sequence[str]) -> list[str]:
    """The stages of dvc.yaml that are asked for; `build` is each of those that build a precision. Raises DataError."""
    stages = _stages(project / DVC_YAML)
    builds = [name for name in stages if name.startswith(f"{BUILD}-")]
    known = [*stages, BUILD]
    named: list[str] = []
    for name in asked:
        refuse_unknown(name.split("@")[0], known)
        named += builds if name == BUILD else [name]
    return named


def _stages(path: Path) -> list[str]:
    """The names of the stages in dvc.yaml."""
    content = parsed_yaml(read_plain(path), str(path), RESTORE)
    stages = content.get("stages") if isinstance(content, dict) else None
    if not isinstance(stages, dict) or not all(isinstance(name, str) for name in stages):
        received = f"stages: {stages!r}" if isinstance(content, dict) else repr(content)
        raise DataError(f"{path} has no stages", received=received[:200], expected="stages by their names", fix=RESTORE)
    return list(stages)


def stages_in_order(asked: Sequence[str], precisions: Sequence[str]) -> list[tuple[str, str | None]]:
    """Scripts of stages/, a build with its precision; all of them where none is asked for."""
    builds = {f"{BUILD}-{name}": (_script(name), name) for name in precisions}
    choices = [(MIX, name) for name in precisions if section_of(name) == MIXED]
    several = {BUILD: list(builds.values()), MIX: choices}
    scripts: list[tuple[str, str | None]] = []
    for name in asked or EVERY:
        refuse_unknown(name, [*EVERY, *builds])
        scripts += several.get(name, [builds.get(name, (SCRIPTS.get(name, name), None))])
    return scripts


def _script(precision: str) -> str:
    """The script that builds a precision."""
    return f"{BUILD}_{GIVEN}" if section_of(precision) == GIVEN else BUILD


def refuse_unknown(name: str, known: Sequence[str]) -> None:
    """Raise RoundoffError, with the nearest name, unless there is such a stage."""
    if name in known:
        return
    near = get_close_matches(name, known, 1)
    raise RoundoffError(
        f"no stage {name}",
        received=name,
        expected=f"a stage ({', '.join(known)}), or a setting as KEY=VALUE",
        fix=f"did you mean {near[0]}?" if near else "name one of these",
    )
