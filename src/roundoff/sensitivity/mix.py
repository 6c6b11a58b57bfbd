"""The mix stage's settings, and its work from the files of earlier stages."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roundoff.errors import ConfigError
from roundoff.pipeline.limits import MOST_IMAGES, check_seed, require
from roundoff.precision.base import Grid, Halving, Precision, Quantizing
from roundoff.system.slots import MIXED

if TYPE_CHECKING:
    from roundoff.calibration.base import Calibrator
    from roundoff.dataset.base import Images, Prepared
    from roundoff.results.mixed import Mixed
    from roundoff.results.verdict import Requirements
    from roundoff.sensitivity.mixing import Cost

log = logging.getLogger(__name__)
VERIFIED_SHARE = 0.75
"""Of the training images that are left, where there are fewer than are asked for: agreement needs more than effects."""


@dataclass(frozen=True)
class Mix:
    """How the nodes that a mixed precision leaves wide are chosen.

    Effects are measured on `images` held-out training images, mixed graphs run on `verify_images` others. `symmetric`
    chooses TensorRT's grid (int8, symmetric) in place of the CPU libraries' (uint8, fitted to both ends).
    `cost_backend` takes the time that NAME, of a precision NAME_mixed, gained a layer on that backend, when layers were
    last timed, for its cost; None: multiply-adds. `seed` draws the bootstrap's resamples.
    """

    images: int = 512
    verify_images: int = 2048
    symmetric: bool = False
    cost_backend: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("images", "verify_images"):
            value = getattr(self, name)
            require(64 <= value <= MOST_IMAGES, f"mix.{name}", value, f"from 64 up to {MOST_IMAGES}")
        named = self.cost_backend is None or bool(self.cost_backend.strip())
        require(named, "mix.cost_backend", repr(self.cost_backend), "the name of a backend, or null")
        check_seed("mix.seed", self.seed)

    def run(
        self,
        name: str,
        precision: Precision,
        target: Requirements,
        graph: Path,
        table: Path,
        prepared: Prepared,
        calibrator: Calibrator,
        layers: Path,
        profile: Path,
    ) -> Mixed:
        """The cheapest names to leave wide with which the precision holds the target, else the best; told in the log.

        `layers` is the file of layer times, `profile` tells at which batch size: both have to be there where they are
        the cost.

        Raises ConfigError for a precision that quantizes nothing, and what the images and converting raise.
        """
        import onnx

        from roundoff.calibration.observing.table import CalibrationTable
        from roundoff.sensitivity.mixing import Given, mixed_of
        from roundoff.sensitivity.verifying import least_agreement

        choosing, verifying = self._images(prepared, calibrator)
        grid = Grid() if self.symmetric else Grid("uint8", symmetric=False)
        before, cost = _without_choice(name, precision), self._cost(name, layers, profile)
        given = Given(name, before, onnx.load(graph), grid, CalibrationTable.load(table), cost)
        found = mixed_of(given, choosing, verifying, least_agreement(target), self.seed)
        _tell(found)
        return found

    def _cost(self, name: str, layers: Path, profile: Path) -> Cost | None:
        from functools import partial

        from roundoff.sensitivity.mixing import Cost
        from roundoff.sensitivity.times import gained_ns

        backend, narrow = self.cost_backend, name.removesuffix(f"_{MIXED}")
        unit = f"ns that {narrow} gains on {backend}, and one for each wide value of an activation, per image"
        return Cost(unit, partial(gained_ns, layers, profile, backend, narrow)) if backend else None

    def _images(self, prepared: Prepared, calibrator: Calibrator) -> tuple[Images, Images]:
        from roundoff.sensitivity.held_out import unused_images

        every = unused_images(prepared, calibrator, self.images + self.verify_images)
        enough = len(every) == self.images + self.verify_images
        verifying = self.verify_images if enough else int(VERIFIED_SHARE * len(every))
        step = len(every) / (len(every) - verifying)
        chosen = {int(place * step) for place in range(len(every) - verifying)}  # spread evenly over the data set
        return every[sorted(chosen)], every[[place for place in range(len(every)) if place not in chosen]]


def _without_choice(name: str, precision: Precision) -> Quantizing | Halving:
    """The precision before anything is chosen to be left wide."""
    held: Any = precision
    made: Quantizing | Halving
    if isinstance(precision, Quantizing):
        made = replace(held, exclude_nodes=[])
    elif isinstance(precision, Halving):
        made = replace(held, keep_float32=())
    else:
        raise ConfigError(
            f"mixed.{name} is not a precision of which something can be left wide",
            received=type(precision).__name__,
            expected="one with pairs, such as roundoff.precision.int8.Int8, or roundoff.precision.fp16.Fp16",
            fix=f"name one in mixed.{name}._target_",
        )
    return made


def _tell(found: Mixed) -> None:
    verified = found.step.verified
    if verified is None:
        return
    words = "passes" if found.passes else "nothing passes; the best"
    log.info(
        "%s: %s, %d names left wide, agreement %.4f (from %.4f; %.4f is asked for)",
        found.precision,
        words,
        len(found.nodes),
        verified.agreement,
        verified.agreement_low,
        found.least_agreement,
    )
