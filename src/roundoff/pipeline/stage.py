"""What every stage shares: the configuration is checked first, and paths follow how the stage was started."""

from __future__ import annotations

import functools
import logging
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import hydra
import yaml
from hydra.core.hydra_config import HydraConfig
from hydra.errors import CompactHydraException, HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from roundoff.errors import RoundoffError
from roundoff.pipeline.composing import explained
from roundoff.pipeline.config import check
from roundoff.pipeline.config.params_file import check_params_file
from roundoff.pipeline.overrides import check_overrides
from roundoff.system.held_output import held_back_libraries, last_words
from roundoff.system.plain_files import refuse_special
from roundoff.system.refusal import in_words
from roundoff.system.stopping import pass_on_a_stop, stopping


@dataclass(frozen=True)
class Workspace:
    """Where a stage reads and writes: the same place under DVC, a directory of its own when run by hand."""

    inputs: Path
    outputs: Path
    written: list[Path] = field(default_factory=list)

    def input(self, path: str) -> Path:
        """A configured path as an input, which must exist, and be files and folders; raises RoundoffError."""
        place = self.optional_input(path)
        if place is None:
            raise RoundoffError(
                f"{path} is missing",
                received=f"no such file or directory: {self.inputs / path}",
                expected="the output of an earlier stage",
                fix="run `dvc repro` (or the stage that writes it) first",
            )
        return place

    def optional_input(self, path: str) -> Path | None:
        """The same of one that may be missing, as where a run starts from a finished ONNX graph; None where it is."""
        place = self.place(path)
        return place if place.exists() else None

    def place(self, path: str) -> Path:
        """The same, whether anything is there or not."""
        refuse_special(self.inputs / path)
        return self.inputs / path

    def output(self, path: str) -> Path:
        """A configured path as an output."""
        self.written.append(self.outputs / path)
        return self.written[-1]

    def tell(self) -> None:
        """Say where a stage that was run by hand wrote, since that is not where the next one reads."""
        paths = [path for path in dict.fromkeys(self.written) if path.exists()]
        if paths and self.outputs != self.inputs:
            here = [path.relative_to(self.inputs) if path.is_relative_to(self.inputs) else path for path in paths]
            print(f"written: {', '.join(map(str, here))}", flush=True)


class StageError(CompactHydraException):
    """An error in words already, from a job that a launcher started."""


Body = Callable[[DictConfig, Workspace], object]


def stage(body: Body) -> Callable[..., object]:
    """Turn `body` into a stage's main: whole configuration checked, errors printed as what they say, exit code 1.

    Called without a configuration, it composes the one that the command line asks for.
    SIGINT and SIGTERM end it with 130 and 143.
    """

    @functools.wraps(body)
    def task(cfg: DictConfig) -> object:
        workspace = _workspace()
        logging.raiseExceptions = False  # of the run folder's log, on a full disk: the terminal has what it lacks
        try:
            check(cfg)
            with stopping(), held_back_libraries():
                returned = body(cfg, workspace)
            workspace.tell()
            return returned
        except Exception as error:
            raise _ending(error) from error
        except BaseException as end:  # of a class of one's own, or of a library: the exit code would be anything
            pass_on_a_stop(end)
            raise _ending(_ended_by(end)) from None

    composed = hydra.main(version_base="1.3", config_path="../conf", config_name="config")(task)

    @functools.wraps(body)
    def main(*given: DictConfig) -> object:
        if given:
            return task(*given)
        conf = Path(sys.argv[0]).resolve().parents[1] / "conf"
        os.environ["HYDRA_FULL_ERROR"] = "1"  # what Hydra raises comes here instead of being printed
        try:
            refuse_special(conf)
            check_overrides(sys.argv[1:], conf)
            if _is_frozen(sys.argv[1:]):
                check_params_file(Path("params.yaml"))
            return composed()
        except RoundoffError as error:
            sys.exit(_words(error))
        except StageError as error:  # of a launcher's job, in words already
            sys.exit(str(error))
        except (HydraException, OmegaConfBaseException, yaml.YAMLError, UnicodeError, RecursionError) as error:
            settings = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
            sys.exit(_words(explained(error, conf, settings)))
        except Exception as error:  # of Hydra's own files, which it wraps
            if refusal := in_words(error):
                sys.exit(_words(refusal))
            raise

    return main


def _ending(error: Exception) -> BaseException:
    """What ends the stage: an exit, which Hydra passes on without words of its own.

    A launcher that runs jobs in other processes gets an exception, as it expects.
    """
    words = in_words(error)
    if words is None:
        sys.stderr.write(last_words())
        traceback.print_exception(error)
        said = "error: not expected; report it with the lines above, unless they name something of this machine"
    else:
        said = _words(words)
    if not HydraConfig.initialized():
        return StageError(said)
    job = HydraConfig.get()
    if job.mode == RunMode.MULTIRUN:
        said = f"{said}\n  job:      {job.job.num} of the sweep ({job.job.override_dirname})"
    if str(job.launcher._target_).endswith("BasicLauncher"):
        return SystemExit(said)
    return StageError(said)


def _ended_by(end: BaseException) -> RoundoffError:
    frames = [frame for frame in traceback.extract_tb(end.__traceback__) if "/roundoff/pipeline/" not in frame.filename]
    where = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    return RoundoffError(
        "The stage was ended before its work was done",
        received=f"{end!r}{where}",
        expected="an exception, where a class of one's own or a library cannot go on",
        fix="call neither sys.exit nor exit there: raise an exception that says what is wrong",
    )


def _words(error: RoundoffError) -> str:
    return "\n  ".join([f"error: {error}", *getattr(error, "__notes__", [])])


def _is_frozen(arguments: Sequence[str]) -> bool:
    """Whether Hydra is asked, in any spelling of -cn, for conf/frozen.yaml: params.yaml as DVC hashed it."""
    return any(argument.removesuffix(".yaml").endswith("frozen") for argument in arguments)


def _workspace() -> Workspace:
    runtime = HydraConfig.get().runtime
    return Workspace(inputs=Path(runtime.cwd), outputs=Path(runtime.output_dir))
