"""Converts the graph to one precision and builds it for every configured backend."""

from roundoff.system.stopping import heed_signals

if __name__ == "__main__":
    heed_signals()  # before the imports, which take a second

from omegaconf import DictConfig

from roundoff.backend.base import Backend
from roundoff.cells.building import build_cells
from roundoff.cells.inputs import Inputs
from roundoff.dataset.base import Prepared
from roundoff.export.fit import require_fit
from roundoff.export.tflite_folder import float_tflite
from roundoff.pipeline.config import components, precision_made_here
from roundoff.pipeline.stage import Workspace, stage
from roundoff.pipeline.survival import surviving
from roundoff.precision.base import Precision
from roundoff.results.platform import read_platform
from roundoff.training.trained import keras_form


@stage
def main(cfg: DictConfig, workspace: Workspace) -> None:
    name, precision = precision_made_here(cfg, Precision)
    prepared = Prepared(workspace.input(cfg.paths.prepared))
    require_fit(workspace.input(cfg.paths.onnx), prepared)
    keras, why_no_keras = keras_form(workspace.optional_input(cfg.paths.trained))
    tflite, why_no_tflite = float_tflite(workspace.optional_input(cfg.paths.tflite))
    inputs = Inputs(
        onnx=workspace.input(cfg.paths.onnx),
        keras=keras,
        why_no_keras=why_no_keras,
        tflite=tflite,
        why_no_tflite=why_no_tflite,
        table=workspace.input(cfg.paths.calibration) if precision.needs_calibration else None,
        calibration=prepared.calibration_images(cfg.calibrate.images),
        fingerprint=read_platform(workspace.input(cfg.paths.platform)),
        backends=tuple(map(str, cfg.backends)),
        logs=workspace.output(cfg.paths.logs),
    )
    engines, metrics = workspace.output(cfg.paths.engines), workspace.output(cfg.paths.metrics)
    build_cells(name, precision, components(cfg.backends, Backend), inputs, engines, metrics, cfg.build.strict)


if __name__ == "__main__":
    surviving(main)
