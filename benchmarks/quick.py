"""Settings with which the pipeline runs through in seconds: what is measured by them says nothing."""

TIMING = (
    "evaluate.min_loads=6",
    "evaluate.rounds_per_load=1",
    "evaluate.warmup_ms=0.0",
    "evaluate.warmup_runs=1",
    "evaluate.min_seconds=0.02",
    "evaluate.budget_seconds=0.02",
    "evaluate.energy_seconds=0.02",
)
"""As few and as short as evaluate takes."""
FEW_IMAGES = (
    "dataset.size=16",
    "calibrate.images=64",
    "calibrate.held_out=32",
)
