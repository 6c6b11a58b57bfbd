"""What every stage shares: the configuration is checked first, and paths follow how the stage was started."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import CompactHydraException
from omegaconf import DictConfig

from roundoff.errors import RoundoffError
from roundoff.pipeline.config import check
from roundoff.pipeline.config.params_file import check_params_file
from roundoff.pipeline.overrides import check_overrides
from roundoff.system.stopping import stopping


@dataclass(frozen=True)
class Workspace:
    """Where a stage reads and writes: the same place under DVC, a directory of its own when run by hand."""

    inputs: Path
    outputs: Path

    def input(self, path: str) -> Path:
        """A configured path as an input, which must exist; raises RoundoffError."""
        place = self.inputs / path
        if not place.exists():
            raise RoundoffError(
                f"{path} is missing",
                received=f"no such file or directory: {place}",
                expected="the output of an earlier stage",
                fix="run `dvc repro` (or the stage that writes it) first",
            )
        return place

    def optional_input(self, path: str) -> Path | None:
        """A configured path as an input that may be missing where a run starts from a finished ONNX graph."""
        place = self.inputs / path
        return place if place.exists() else None

    def output(self, path: str) -> Path:
        """A configured path as an output."""
        return self.outputs / path


Body = Callable[[DictConfig, Workspace], object]


def stage(body: Body) -> Callable[..., object]:
    """Turn `body` into a stage's main: whole configuration checked, errors printed as what they say, exit code 1.

    Called without a configuration, it composes the one that the command line asks for.
    SIGINT and SIGTERM end it with 130 and 143.
    """

    @functools.wraps(body)
    def task(cfg: DictConfig) -> object:
        workspace = _workspace()
        try:
            check(cfg)
            with stopping():
                return body(cfg, workspace)
        except RoundoffError as error:
            raise CompactHydraException(_words(error)) from error

    composed = hydra.main(version_base="1.3", config_path="../conf", config_name="config")(task)

    @functools.wraps(body)
    def main(*given: DictConfig) -> object:
        if given:
            return task(*given)
        try:
            check_overrides(sys.argv[1:], Path(sys.argv[0]).resolve().parents[1] / "conf")
            if _is_frozen(sys.argv[1:]):
                check_params_file(Path("params.yaml"))
        except RoundoffError as error:
            sys.exit(_words(error))
        return composed()

    return main


def _words(error: RoundoffError) -> str:
    return "\n  ".join([f"error: {error}", *getattr(error, "__notes__", [])])


def _is_frozen(arguments: Sequence[str]) -> bool:
    """Whether Hydra is asked, in any spelling of -cn, for conf/frozen.yaml: params.yaml as DVC hashed it."""
    return any(argument.removesuffix(".yaml").endswith("frozen") for argument in arguments)


def _workspace() -> Workspace:
    runtime = HydraConfig.get().runtime
    return Workspace(inputs=Path(runtime.cwd), outputs=Path(runtime.output_dir))
