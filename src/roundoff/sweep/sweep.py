"""One setting of a sweep: the whole pipeline as a DVC experiment, and the figures by which a sweeper judges it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from roundoff.errors import ConfigError, RoundoffError
from roundoff.revisions.revision import snapshot
from roundoff.sweep.clone import changes_of, clone_of, untracked
from roundoff.sweep.naming import experiment_name, outputs_of
from roundoff.sweep.objective import FIGURES, figures_of
from roundoff.system.git import git

LAST_LINES = 20  # of the log, where an experiment fails
FILES_NAMED = 5


@dataclass(frozen=True)
class Sweep:
    """`objectives`: what each experiment returns, in this order; `cell` (PRECISION/BACKEND): of which cell, by default
    the one that ships. Raises ConfigError."""

    objectives: list[str] = field(default_factory=lambda: ["speedup"])
    cell: str | None = None

    def __post_init__(self) -> None:
        unknown = [name for name in self.objectives if name not in FIGURES]
        if unknown or not self.objectives:
            raise ConfigError(
                "sweep.objectives is out of range",
                received=self.objectives,
                expected=f"one or more of {', '.join(FIGURES)}",
                fix="set sweep.objectives=[speedup]",
            )

    def run(self, project: Path, metrics: str, settings: Sequence[str], log: Path) -> float | tuple[float, ...]:
        """Make the experiment of `settings`, unless it is there already, and return its objectives: one, or a tuple.

        `metrics` is the folder of metrics in the project; what DVC says goes to the file `log`. Raises RoundoffError.
        """
        changes, sources = changes_of(project), changes_of(project, outputs_of(project, metrics))
        name = experiment_name(settings, sources)
        ref = _ref(project, name)
        if git(project, "rev-parse", "--verify", "--quiet", ref).returncode == 0:
            print(f"{name}: there already", flush=True)
        else:
            _tell_of_untracked(project)
            print(f"{name}: runs; {log} has what it says", flush=True)
            _make(project, changes, name, ref, settings, log)
        found = replace(snapshot(project, metrics, ref), revision=name)
        figures = figures_of(found, self.objectives, self.cell)
        shown = ", ".join(f"{key} {value:.4g}" for key, value in zip(self.objectives, figures, strict=True))
        ships = found.verdict.shipped.cell if found.verdict.shipped else "nothing"
        print(f"{name}: ships {ships}; {shown}", flush=True)
        return figures if len(figures) > 1 else figures[0]


def _make(project: Path, changes: bytes, name: str, ref: str, settings: Sequence[str], log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    with clone_of(project, changes) as clone:
        clone.dvc(["checkout", "--quiet", "--allow-missing"], log)  # what the cache has; the rest is made
        chosen = [word for setting in settings for word in ("-S", setting)]
        if clone.dvc(["exp", "run", "--name", name, *chosen], log) != 0:
            said = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_LINES:]
            raise RoundoffError(
                f"experiment {name} failed",
                received="\n    ".join(["", *said]),
                expected="a pipeline that runs to its end with these settings",
                fix=f"correct {' '.join(settings) or 'conf/'}; started again, a sweep goes on where it stopped",
            )
        clone.hand_over(ref)


def _ref(project: Path, name: str) -> str:
    """Where DVC keeps the experiment `name` of the commit that is checked out."""
    commit = git(project, "rev-parse", "HEAD").stdout.strip()
    return f"refs/exps/{commit[:2]}/{commit[2:]}/{name}"


def _tell_of_untracked(project: Path) -> None:
    names = untracked(project)
    if names:
        shown = ", ".join(names[:FILES_NAMED]) + (", …" if len(names) > FILES_NAMED else "")
        print(
            f"warning: git does not track {shown}: experiments run without them; `git add` what they need", flush=True
        )
