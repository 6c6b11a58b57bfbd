"""Checks the configuration before DVC removes any output, and writes the fingerprint of this machine."""

from roundoff.system.stopping import heed_signals

if __name__ == "__main__":
    heed_signals()  # before the imports, which take a second

from pathlib import Path

from omegaconf import DictConfig

from roundoff.backend.base import Backend
from roundoff.backend.fingerprint import fingerprint
from roundoff.dataset.base import Dataset
from roundoff.pipeline.config import component, components
from roundoff.pipeline.stage import Workspace, stage
from roundoff.pipeline.survival import surviving
from roundoff.pipeline.undone import warn_of_undone
from roundoff.precision.given import Given
from roundoff.results.platform import write_platform
from roundoff.system.files import write_text
from roundoff.system.slots import config_key


@stage
def main(cfg: DictConfig, workspace: Workspace) -> None:
    for name, given in components(cfg.given, Given).items():
        given.require_file(config_key(name))
    component(cfg.dataset, Dataset).require_source()
    write_platform(fingerprint(components(cfg.backends, Backend)), workspace.output(cfg.paths.platform))
    write_text(workspace.output(cfg.paths.checked), "checked\n")


if __name__ == "__main__":
    warn_of_undone(Path())  # before Hydra starts, which composes once at a time
    surviving(main)
