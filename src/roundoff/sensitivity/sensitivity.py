"""The sensitivity stage's settings, and its work from the files of earlier stages."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from roundoff.errors import BuildError
from roundoff.pipeline.limits import MOST_IMAGES, check_seed, require
from roundoff.precision.base import Grid

if TYPE_CHECKING:
    from roundoff.calibration.base import Calibrator
    from roundoff.dataset.base import Prepared
    from roundoff.precision.base import Precision, Quantizing
    from roundoff.sensitivity.measure import Sensitivity

log = logging.getLogger(__name__)
MOST_LEFT_WIDE = 10_000


@dataclass(frozen=True)
class SensitivityStage:
    """Which tensors cost the answers: measured on `images` held-out training images; 0 leaves the stage out.

    Of the worst `left_wide` tensors it is also measured what the whole 8-bit graph is like without each. `symmetric`
    chooses TensorRT's grid (int8, symmetric) in place of the CPU libraries' (uint8, fitted to both ends). `seed` draws
    the bootstrap's resamples.
    """

    images: int = 0
    left_wide: int = 20
    symmetric: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        expected = f"0 (off), or from 64 up to {MOST_IMAGES}"
        require(self.images == 0 or 64 <= self.images <= MOST_IMAGES, "sensitivity.images", self.images, expected)
        expected = f"from 0 up to {MOST_LEFT_WIDE}"
        require(0 <= self.left_wide <= MOST_LEFT_WIDE, "sensitivity.left_wide", self.left_wide, expected)
        check_seed("sensitivity.seed", self.seed)

    @property
    def grid(self) -> Grid:
        """Of the activations."""
        return Grid() if self.symmetric else Grid("uint8", symmetric=False)

    def run(
        self, precision: Precision, graph: Path, table: Path, prepared: Prepared, calibrator: Calibrator
    ) -> Sensitivity:
        """The effects of all tensors that the precision holds in 8 bits; none where the stage is off or nothing is.

        A graph of which nothing can be quantized has a warning: it stops nobody who ships another precision.

        Raises DataError where too few training images are left, or one of them is in the test split.
        """
        from roundoff.precision.base import Quantizing
        from roundoff.results.sensitivity import Whole
        from roundoff.sensitivity.measure import Sensitivity

        if self.images and isinstance(precision, Quantizing):
            try:
                return self._measured(precision, graph, table, prepared, calibrator)
            except BuildError as error:
                log.warning("warning: sensitivity: %s", error)
        return Sensitivity([], Whole())

    def _measured(
        self, precision: Quantizing, graph: Path, table: Path, prepared: Prepared, calibrator: Calibrator
    ) -> Sensitivity:
        import onnx

        from roundoff.calibration.observing.table import CalibrationTable
        from roundoff.sensitivity.held_out import unused_images
        from roundoff.sensitivity.measure import sensitivity_of

        images = unused_images(prepared, calibrator, self.images)
        if len(images) < self.images:
            log.warning("sensitivity: %d images are left of the %d asked for", len(images), self.images)
        known = CalibrationTable.load(table)
        return sensitivity_of(precision, onnx.load(graph), self.grid, known, images, self.left_wide, self.seed)
