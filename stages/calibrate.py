"""Chooses a range for every activation tensor from training images."""

from roundoff.system.stopping import heed_signals

if __name__ == "__main__":
    heed_signals()  # before the imports, which take a second

from functools import partial
from math import inf

import pandas as pd
from omegaconf import DictConfig

from roundoff.calibration.base import Calibrator
from roundoff.calibration.observing.cache import cache_from_table
from roundoff.calibration.observing.calibrate import calibrate
from roundoff.dataset.base import Prepared
from roundoff.export.fit import require_fit
from roundoff.pipeline.config import component
from roundoff.pipeline.stage import Workspace, stage
from roundoff.pipeline.survival import surviving
from roundoff.precision.base import Grid, Precision
from roundoff.results.checked import as_json
from roundoff.system.files import write_json, write_text

ON_CPU = Grid("uint8", symmetric=False)  # what ONNX Runtime's kernels want, which runs here


@stage
def main(cfg: DictConfig, workspace: Workspace) -> float:
    int8 = component(cfg.precisions.int8, Precision)  # its stage reads the table: what it quantizes is reported
    graph, prepared = workspace.input(cfg.paths.onnx), Prepared(workspace.input(cfg.paths.prepared))
    require_fit(graph, prepared)
    outcome = calibrate(
        component(cfg.calibrate, Calibrator),
        graph,
        prepared,
        partial(int8.quantized_tensors, grid=Grid()),
        partial(int8.quantized_tensors, grid=ON_CPU),
        lambda model, table: int8.convert(model, ON_CPU, table),
    )
    outcome.table.save(workspace.output(cfg.paths.calibration))
    write_text(workspace.output(cfg.paths.calibration_cache), cache_from_table(outcome.table))
    write_text(workspace.output(cfg.paths.noise), pd.DataFrame(outcome.noise).to_csv(index=False))
    write_json(workspace.output(cfg.paths.metrics) / "calibrate.json", as_json(outcome.metrics))
    return inf if outcome.metrics.logit_error is None else outcome.metrics.logit_error  # to Hydra's sweepers


if __name__ == "__main__":
    surviving(main)
