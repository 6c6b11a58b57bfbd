"""Where a precision stands in the configuration, and which stage builds it: by its name.

Some have a stage and a metrics file of their own; further ones share what is `more`, where those that another tool has
quantized, whose names begin with `given`, have a section and a stage of theirs: it depends on their files. So have
mixed ones, whose names end with `_mixed`: their stage depends on what another one has chosen for them.
"""

from __future__ import annotations

REFERENCE_PRECISION = "fp32"  # speed-ups are over it, and others' answers are held against one of its cells
FULL_WIDTH = (REFERENCE_PRECISION, "tf32")  # names that a cell's measured error proves, whatever it was asked for
STAGED = (REFERENCE_PRECISION, "fp16", "int8")
MORE = "more"
GIVEN = "given"
MIXED = "mixed"
ANSWER = "answer"  # stands beside the precisions in summary.json, so that none may be called so
TAKEN = ("format", "platform", "reference", "method", ANSWER)  # keys of metrics files beside cells and precisions


def section_of(precision: str) -> str:
    """The section of the configuration that describes a precision."""
    if precision in STAGED:
        return "precisions"
    if precision.startswith(GIVEN):
        return GIVEN
    return MIXED if precision.endswith(f"_{MIXED}") else MORE


def build_stage(precision: str) -> str:
    """The name of the stage of dvc.yaml that builds a precision."""
    return f"build-{precision}" if precision in STAGED else f"build-{section_of(precision)}@{precision}"


def config_key(precision: str) -> str:
    """Where the configuration describes a precision."""
    return f"{section_of(precision)}.{precision}"
