"""Checks the configuration before DVC removes any output, and writes the fingerprint of this machine."""

from roundoff.stopping import heed_signals

if __name__ == "__main__":
    heed_signals()  # before the imports, which take a second

from omegaconf import DictConfig

from roundoff.artifact import write_json, write_text
from roundoff.platform import fingerprint
from roundoff.stage import Workspace, stage
from roundoff.survival import surviving


@stage
def main(cfg: DictConfig, workspace: Workspace) -> None:
    write_json(workspace.output(cfg.paths.platform), fingerprint())
    write_text(workspace.output(cfg.paths.checked), "checked\n")


if __name__ == "__main__":
    surviving(main)
