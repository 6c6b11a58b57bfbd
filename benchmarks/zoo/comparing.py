"""Our INT8 beside each peer's over all draws: how much more often it agrees with FP32, Holm's correction over all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.zoo.row import bits

Row = dict[str, Any]
BACKENDS = ("onnxruntime", "litert")
ALPHA = 0.05


@dataclass(frozen=True)
class Comparison:
    """One network on one backend against one peer: mean difference of agreement, its 95 % interval, p-value.

    `worse` says that the interval lies below 0 once widened by Holm's correction over all comparisons.
    """

    network: str
    backend: str
    peer: str
    difference: float
    low: float
    high: float
    p: float
    worse: bool = False


def comparisons(rows: Iterable[Row]) -> list[Comparison]:
    """Every network and peer of every backend, on the draws that both were measured in."""
    from statsmodels.stats.multitest import multipletests

    every = [row for row in rows if "cells" in row]
    names = dict.fromkeys(row["network"] for row in every)
    found = [each for name in names for each in _of_network(name, [row for row in every if row["network"] == name])]
    if not found:
        return []
    rejected = multipletests([each.p for each in found], alpha=ALPHA, method="holm")[0]
    return [
        Comparison(**{**vars(each), "worse": bool(no_chance) and each.difference < 0})
        for each, no_chance in zip(found, rejected, strict=True)
    ]


def agreement(rows: Iterable[Row], network: str, cell: str) -> float | None:
    """Mean agreement with FP32 over the draws; None where it was not measured."""
    found = [
        row["cells"].get(cell, {}).get("agreement") for row in rows if row["network"] == network and "cells" in row
    ]
    values = [value for value in found if value is not None]
    return fmean(values) if values else None


def _of_network(name: str, rows: list[Row]) -> list[Comparison]:
    peers = dict.fromkeys(cell for row in rows for cell in row["cells"] if cell.startswith("given"))
    made = (_compared(name, rows, *peer.split("/")) for peer in peers)
    return [each for each in made if each]


def _compared(network: str, rows: list[Row], peer: str, backend: str) -> Comparison | None:
    """Over images, of the difference's mean over draws: one image's answers in several draws are no several images."""
    differences = [each for row in rows if (each := _difference(row, peer, backend)) is not None]
    if not differences:
        return None
    each = np.mean(differences, axis=0)
    mean, error = float(each.mean()), float(each.std(ddof=1) / np.sqrt(len(each)))
    return Comparison(network, backend, peer, mean, mean - 1.96 * error, mean + 1.96 * error, _p(mean, error))


def _difference(row: Row, peer: str, backend: str) -> NDArray[np.float64] | None:
    """For each test image 1, 0 or −1: whether only ours agrees with FP32, both or neither, or only the peer's."""
    told = [row["cells"].get(f"{name}/{backend}", {}).get("agrees") for name in ("int8", peer)]
    if None in told:
        return None
    ours, theirs = (bits(each, row["test_images"]) for each in told)
    return np.asarray(ours.astype(float) - theirs.astype(float))


def _p(mean: float, error: float) -> float:
    from scipy import stats

    return 1.0 if error == 0 else float(2 * stats.norm.sf(abs(mean) / error))
