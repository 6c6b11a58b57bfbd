"""Trains the Keras model, or takes a trained one."""

from roundoff.system.stopping import heed_signals

if __name__ == "__main__":
    heed_signals()  # before the imports, which take a second

from omegaconf import DictConfig

from roundoff.dataset.base import Prepared
from roundoff.model.base import AnyModel
from roundoff.pipeline.config import component
from roundoff.pipeline.stage import Workspace, stage
from roundoff.pipeline.survival import surviving
from roundoff.results.checked import as_json
from roundoff.system.files import write_json
from roundoff.training.curves import CurveFiles
from roundoff.training.training import Training


@stage
def main(cfg: DictConfig, workspace: Workspace) -> float:
    metrics = component(cfg.train, Training).fit(
        component(cfg.model, AnyModel),
        Prepared(workspace.input(cfg.paths.prepared)),
        workspace.output(cfg.paths.trained),
        CurveFiles(workspace.output(cfg.paths.curves), workspace.output(cfg.paths.live)),
    )
    write_json(workspace.output(cfg.paths.metrics) / "train.json", as_json(metrics))
    return metrics.val_accuracy  # to Hydra's sweepers


if __name__ == "__main__":
    surviving(main)
