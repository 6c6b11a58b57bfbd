"""The whole pipeline as one job of Hydra's: python stages/sweep.py -m model=resnet8,resnet20 calibrate=mse,entropy

Each setting becomes a DVC experiment, made in a clone of its own. It is no stage of dvc.yaml.
"""

from roundoff.system.stopping import heed_signals

if __name__ == "__main__":
    heed_signals()  # before the imports, which take a second

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from roundoff.pipeline.config import component
from roundoff.pipeline.stage import Workspace, stage
from roundoff.pipeline.survival import surviving
from roundoff.sweep.sweep import Sweep

OWN = "sweep."  # what says how to judge an experiment is no setting of it


@stage
def main(cfg: DictConfig, workspace: Workspace) -> float | tuple[float, ...]:
    settings = [setting for setting in HydraConfig.get().overrides.task if not setting.lstrip("+~").startswith(OWN)]
    log = workspace.outputs / "experiment.log"
    return component(cfg.sweep, Sweep).run(workspace.inputs, cfg.paths.metrics, settings, log)


if __name__ == "__main__":
    surviving(main)
