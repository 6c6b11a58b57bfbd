"""What each order of leaving names wide costs until INT8's disagreement, or its error, is halved.

All orders leave nodes of the same graph wide by the same rules, on the same images and kernels; they differ in what
comes first. So what NNCF's accuracy control is worth is told apart from what its quantizer is.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.sensitivity.graphs import Case
from roundoff.calibration.observing.noise import measure_noise
from roundoff.errors import BuildError
from roundoff.precision.base import Grid
from roundoff.precision.int8 import Int8
from roundoff.sensitivity.answers import Differences, Reference
from roundoff.sensitivity.choosing import leaving, off_without, price_of, units_of
from roundoff.sensitivity.mixing import Given, front
from roundoff.sensitivity.sources import parts_of

GRID, INT8 = Grid("uint8", symmetric=False), Int8()
RANDOM_ORDERS, HALF = 3, 0.5
NNCF_IMAGES = 512
SUFFIX = "/WithoutBiases"
NNCF_SCRIPT = Path(__file__).with_name("nncf_order.py")

Row = dict[str, Any]


@dataclass
class Race:
    """Orders on one network; a set of names is run once, whichever order it comes from."""

    case: Case
    ran: dict[frozenset[str], Differences] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.model = self.case.model
        self.floats = INT8.float_graph(self.model, GRID)
        self.sources = parts_of(self.floats, INT8.with_pairs(self.model, GRID, self.case.table)).sources
        self.units = [unit.name for unit in units_of(INT8, self.floats, GRID, self.sources)]
        self.reference = Reference(self.model, self.case.verifying)
        self.price = price_of(self.floats, GRID, self.sources)

    def result(self, python: str | None) -> Row:
        """What every order costs, as shares of the multiply-adds that INT8 has in 8 bits."""
        started = time.perf_counter()
        ours = front(Given("int8", INT8, self.model, GRID, self.case.table), self.case.choosing)[-1].names
        seconds = time.perf_counter() - started
        whole = self.run(())
        nncf = self._nncf(python) if python else None
        orders = {"roundoff": list(ours), "noise": self._by_noise(), "nncf": nncf["order"] if nncf else None}
        random = [list(np.random.default_rng(seed).permutation(self.units)) for seed in range(RANDOM_ORDERS)]
        return {
            "error": float(whole.errors[0]),
            "agreement": float(whole.agreement[0]),
            "seconds": {"roundoff": seconds, "nncf": nncf["seconds"] if nncf else None},
            "nncf_agreement": nncf["agreement"] if nncf else None,
            "by_error": self._costs(orders, random, self._halves_error),
            "by_agreement": self._costs(orders, random, self._halves_disagreement),
        }

    def run(self, names: Sequence[str]) -> Differences:
        """The graph with these names left wide; all of it, where nothing is left in 8 bits."""
        key = frozenset(names)
        if key not in self.ran:
            try:
                made = leaving(INT8, [*names]).convert(self.model, GRID, self.case.table)
            except BuildError:
                made = self.model
            self.ran[key] = self.reference.differences(made)
        return self.ran[key]

    def cost(self, names: Sequence[str]) -> float:
        """The multiply-adds that are not in 8 bits with these names, as a share of those that are without."""
        off = off_without(INT8, self.floats, GRID, self.sources, names)
        return self.price.multiply_adds(off) / self.price.multiply_adds(frozenset(range(len(self.sources))))

    def _costs(self, orders: Row, random: Sequence[list[str]], reached: Callable[[Differences], bool]) -> Row:
        costs = {name: None if order is None else self._cheapest(order, reached) for name, order in orders.items()}
        return {**costs, "random": float(np.median([self._cheapest(order, reached) for order in random]))}

    def _cheapest(self, order: Sequence[str], reached: Callable[[Differences], bool]) -> float:
        """The cost of the shortest beginning of the order that reaches the target, by bisection; 1 if none does."""
        if not reached(self.run(order)):
            return 1.0
        low, high = -1, len(order)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if reached(self.run(order[:middle])) else (middle, high)
        return self.cost(order[:high])

    def _halves_error(self, found: Differences) -> bool:
        return bool(found.errors[0] <= HALF * self.run(()).errors[0])

    def _halves_disagreement(self, found: Differences) -> bool:
        return bool(1 - found.agreement[0] <= HALF * (1 - self.run(()).agreement[0]))

    def _by_noise(self) -> list[str]:
        """Units by their signal-to-noise ratio on this grid, the worst first."""
        noises = measure_noise(self.model, self.case.table.ranges, [self.case.choosing])
        ratios = {each.tensor: min(each.sqnr_db, each.asymmetric_sqnr_db or each.sqnr_db) for each in noises}
        known = [name for name in self.units if name in ratios]
        return sorted(known, key=lambda name: ratios[name])

    def _nncf(self, python: str) -> Row:
        """NNCF's order in our names, the seconds until it had each, and what its own INT8 agrees with FP32."""
        with tempfile.TemporaryDirectory() as folder:
            images, out = Path(folder) / "images.npz", Path(folder) / "out.json"
            np.savez(images, calibrating=self.case.calibrating, validating=self.case.choosing[:NNCF_IMAGES])
            command = [python, str(NNCF_SCRIPT), str(self.case.path), str(images), str(out)]
            subprocess.run(command, check=True, capture_output=True)
            told = json.loads(out.read_text(encoding="utf-8"))
        named = [name.removesuffix(SUFFIX) for step in told["steps"] for name in step["operations"]]
        last = {name: place for place, name in enumerate(named)}  # a step that was taken back comes again later
        order = sorted((name for name in last if name in self.units), key=lambda name: last[name])
        return {"order": order, "seconds": told["seconds"], "agreement": told["metrics"].get("quantized")}
