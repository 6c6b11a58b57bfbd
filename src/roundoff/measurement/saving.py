"""What evaluate keeps beside its metrics: the answers, and the raw samples of timing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from roundoff.dataset.base import Labels
from roundoff.measurement.accuracy import top_classes
from roundoff.measurement.answered import Answered
from roundoff.measurement.logits_file import Logits, blocks
from roundoff.system import own
from roundoff.system.arrays import write_head
from roundoff.system.files import whole_directory

if TYPE_CHECKING:
    from roundoff.measurement.samples import Timing

MOST_CLASSES = 5
MARGIN = ".margin.npy"


def save_predictions(answered: Sequence[Answered], labels: Labels, folder: Path, keep_logits: bool) -> None:
    """Labels int64 [N], and in place of each cell's logits float32 [N, classes] what is asked of them later.

    That are the MOST_CLASSES largest logits' classes, int32 [N, k] (`accuracy.top_classes`), and how far the largest
    lies above the next, float32 [N], NaN where an image has no answer. With `keep_logits` the logits stay.
    """
    kept = {each.written.path for each in answered}
    for path in folder.glob("*/*"):
        if path not in kept:
            path.unlink()
    np.save(folder / "labels.npy", labels, allow_pickle=False)
    for each in answered if not keep_logits else ():
        _digest(each.logits, each.written.path)


def _digest(logits: Logits, path: Path) -> None:
    """Put classes in the place of the logits that are in the file, and margins beside it."""
    (count, classes), most = logits.shape, min(MOST_CLASSES, logits.shape[1])
    digest = path.with_name(f"{path.name}.digest")
    with digest.open("wb") as top, path.with_name(f"{path.stem}{MARGIN}").open("wb") as margin:
        write_head(top, np.int32, (count, most))
        write_head(margin, np.float32, (count,))
        for first, last in blocks(count, classes):
            part = logits[first:last]
            top.write(top_classes(part, most).tobytes())
            margin.write(_margins(part).tobytes())
    digest.replace(path)


def _margins(logits: Logits) -> NDArray[np.float32]:
    """How far each row's largest logit lies above the next."""
    if logits.shape[1] < 2:
        return np.full(len(logits), np.nan, np.float32)
    next_best, best = np.partition(logits, (-2, -1), axis=1)[:, -2:].T
    return np.where(np.isfinite(logits).all(axis=1), best - next_best, np.nan).astype(np.float32)


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
