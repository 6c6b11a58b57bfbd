"""What every stage shares: the configuration is checked first, and paths follow how the stage was started."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.errors import CompactHydraException
from omegaconf import DictConfig

from roundoff.config import check
from roundoff.errors import RoundoffError
from roundoff.paths import check_paths
from roundoff.stopping import stopping_in_one_line


@dataclass(frozen=True)
class Workspace:
    """Where a stage reads and writes: the same place under DVC, a directory of its own when run by hand."""

    inputs: Path
    outputs: Path

    def input(self, path: str) -> Path:
        """A configured path as an input, which must exist; raises RoundoffError."""
        found = self.inputs / path
        if not found.exists():
            raise RoundoffError(
                f"{path} is missing",
                received=f"no such file or directory: {found}",
                expected="the output of an earlier stage",
                fix="run `dvc repro` (or the stage that writes it) first",
            )
        return found

    def optional_input(self, path: str) -> Path | None:
        """A configured path as an input that may be missing where a run starts from a finished ONNX graph."""
        found = self.inputs / path
        return found if found.exists() else None

    def output(self, path: str) -> Path:
        """A configured path as an output."""
        return self.outputs / path


Body = Callable[[DictConfig, Workspace], object]


def stage(body: Body) -> Callable[[DictConfig], object]:
    """Turn `body` into a Hydra task: whole configuration checked, errors printed as what they say, exit code 1.

    SIGINT and SIGTERM end it with 130 and 143.
    """

    @functools.wraps(body)
    def task(cfg: DictConfig) -> object:
        workspace = _workspace()
        try:
            check(cfg)
            check_paths(cfg.paths, workspace.inputs, workspace.outputs)
            with stopping_in_one_line():
                return body(cfg, workspace)
        except RoundoffError as error:
            words = "\n  ".join([f"error: {error}", *getattr(error, "__notes__", [])])
            raise CompactHydraException(words) from error

    return task


def _workspace() -> Workspace:
    runtime = HydraConfig.get().runtime
    return Workspace(inputs=Path(runtime.cwd), outputs=Path(runtime.output_dir))
