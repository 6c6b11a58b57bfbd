"""What the product calls a timed candidate: slower, faster or neither, beside the control that it is held against."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from roundoff.measurement.energy import Monitor
from roundoff.measurement.samples import paired_speedup
from roundoff.measurement.statistics import Interval
from roundoff.measurement.timing import Interleaved
from roundoff.results.cell import Speedup
from roundoff.results.message import verbatim
from roundoff.results.run import AaControl, Device, Method
from roundoff.verdict.ranking import noise_floor, speed_difference
from roundoff.verdict.requirements import Target

FP32, CANDIDATE, CONTROL = "fp32_", "candidate_", "control_"
UNWATCHED = Monitor(verbatim("none"))


def speedup(loop: Interleaved, name: str) -> Interval:
    """The interval of an entry's speed-up over its reference."""
    return paired_speedup(loop.timings[FP32 + name.rsplit("_", 1)[1]], loop.timings[name])


def called(loops: Sequence[Interleaved], pairs: Iterable[int]) -> dict[str, float]:
    """Shares of the comparisons that call a candidate slower, faster, different; the noise floor is the product's."""
    answers = []
    for loop in loops:
        floor = noise_floor(_method(speedup(loop, f"{CONTROL}0").value), 1, Target().speed_margin, "candidate")
        for pair in pairs:
            found = speedup(loop, f"{CANDIDATE}{pair}")
            answers.append(speed_difference(found.low, found.high, floor))
    slower, faster = (float(np.mean([answer == which for answer in answers])) for which in ("slower", "faster"))
    return {"called_different": slower + faster, "called_slower": slower, "called_faster": faster}


def _method(control: float) -> Method:
    """One device, on which FP32 against itself came out at the ratio `control`."""
    twin = AaControl(cell="fp32", batches={1: Speedup(speedup=control, end_to_end_speedup=control)})
    return Method(devices={"here": Device(cells=["candidate"], aa_control=twin)})
