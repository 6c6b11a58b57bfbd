"""What evaluate keeps beside its metrics: the answers, and the raw samples of timing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from roundoff.dataset.base import Labels
from roundoff.measurement.answered import Answered
from roundoff.system import own
from roundoff.system.files import whole_directory

if TYPE_CHECKING:
    from roundoff.measurement.samples import Timing


def save_predictions(answered: Sequence[Answered], labels: Labels, folder: Path) -> None:
    """Labels int64 [N] beside each cell's logits float32 [N, classes], which are there; those of no cell go."""
    kept = {each.written.path for each in answered}
    for path in folder.glob("*/*"):
        if path not in kept:
            path.unlink()
    np.save(folder / "labels.npy", labels, allow_pickle=False)


def save_timings(timings: Mapping[str, Timing], directory: Path) -> None:
    """Raw samples of each cell and batch size as .npz; the directory is replaced as a whole."""
    with whole_directory(directory, own.timings) as partial:
        for entry, timing in timings.items():
            path = partial / f"{entry}.npz"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez_compressed(
                path,
                device_ms=timing.device_ms,
                end_to_end_ms=timing.end_to_end_ms,
                round_ms=timing.round_ms,
                round_end_to_end_ms=timing.round_end_to_end_ms,
                round_load=timing.round_load,
                round_stream_s=np.array([block.stream_s for block in timing.blocks]),
            )
