"""Where the configuration may name a class, and of which kind it must be."""

from __future__ import annotations

from importlib import import_module
from typing import Any

# Dotted names, so that asking for one kind imports that kind's module alone; * stands for a name of one's own.
KINDS = {
    "dataset": "roundoff.dataset.base.Dataset",
    "prepare": "roundoff.dataset.preparing.prepare.Preparation",
    "model": "roundoff.model.base.AnyModel",
    "train": "roundoff.training.training.Training",
    "export": "roundoff.export.onnx_from_keras.Export",
    "calibrate": "roundoff.calibration.base.Calibrator",
    "sensitivity": "roundoff.sensitivity.sensitivity.SensitivityStage",
    "mix": "roundoff.sensitivity.mix.Mix",
    "precisions.*": "roundoff.precision.base.Precision",
    "more.*": "roundoff.precision.base.Precision",
    "mixed.*": "roundoff.precision.base.Precision",
    "given.*": "roundoff.precision.given.Given",
    "backends.*": "roundoff.backend.base.Backend",
    "profile": "roundoff.profiling.layer_profile.LayerProfile",
    "evaluate": "roundoff.measurement.evaluate.Evaluation",
    "verdict": "roundoff.verdict.requirements.Target",
    "report": "roundoff.report.report.Report",
    "sweep": "roundoff.sweep.sweep.Sweep",
}
NAMED = ("precisions", "more", "mixed", "given", "backends")  # sections of components by name
SINGLE = tuple(key for key in KINDS if "." not in key)


def kind_name(key: str) -> str | None:
    """The dotted name of the kind that the configuration wants at `key`; None where no component stands."""
    section, _, name = key.partition(".")
    own = "." in name or not name or name == "*"
    return KINDS.get(key) if own else KINDS.get(key, KINDS.get(f"{section}.*"))


def kind_at(key: str) -> type[Any]:
    """The class that a component at `key` must be or inherit from."""
    module, _, name = str(kind_name(key)).rpartition(".")
    kind: type[Any] = getattr(import_module(module), name)
    return kind
