"""Exports the trained model to the ONNX graph that every precision starts from, and to LiteRT's float model."""

from roundoff.system.stopping import heed_signals

if __name__ == "__main__":
    heed_signals()  # before the imports, which take a second

from omegaconf import DictConfig

from roundoff.dataset.base import Prepared
from roundoff.export.onnx_from_keras import Export
from roundoff.pipeline.config import component
from roundoff.pipeline.stage import Workspace, stage
from roundoff.pipeline.survival import surviving
from roundoff.results.checked import as_json
from roundoff.system.files import write_json


@stage
def main(cfg: DictConfig, workspace: Workspace) -> None:
    export, trained = component(cfg.export, Export), workspace.input(cfg.paths.trained)
    prepared = Prepared(workspace.input(cfg.paths.prepared))
    onnx, tflite = workspace.output(cfg.paths.onnx), workspace.output(cfg.paths.tflite)
    metrics = export.graphs_from_trained(trained, prepared, onnx, tflite)
    write_json(workspace.output(cfg.paths.metrics) / "export.json", as_json(metrics))


if __name__ == "__main__":
    surviving(main)
