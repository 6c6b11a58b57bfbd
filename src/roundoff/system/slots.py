"""Names of the precisions that have a stage and a metrics file of their own; further ones share what is `more`."""

from __future__ import annotations

REFERENCE_PRECISION = "fp32"  # speed-ups are over it, and others' answers are held against one of its cells
STAGED = (REFERENCE_PRECISION, "fp16", "int8")
MORE = "more"


def build_stage(precision: str) -> str:
    """The name of the stage of dvc.yaml that builds a precision."""
    return f"build-{precision}" if precision in STAGED else f"build-{MORE}@{precision}"


def config_key(precision: str) -> str:
    """Where the configuration describes a precision."""
    return f"precisions.{precision}" if precision in STAGED else f"{MORE}.{precision}"
