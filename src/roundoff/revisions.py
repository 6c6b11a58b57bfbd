"""Two runs side by side: which figures changed beyond the noise, and whether they may be compared at all."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from roundoff.ranking import noise_floor
from roundoff.verdict import Metrics

Change = Literal["better", "worse", "changed", "noise", "same", "machines differ", "only before", "only after"]
SPEED_FIGURES = ("device_p50_ms", "end_to_end_p50_ms", "throughput_per_s")
SPEED_MARGIN = 0.01
UNJUDGED = ("same", "only before", "only after")


@dataclass(frozen=True)
class Row:
    """One figure of one cell in both runs, and what may be said of the difference."""

    cell: str
    figure: str
    before: float | str | None
    after: float | str | None
    change: Change


def compare(before: Metrics, after: Metrics) -> dict[str, Any]:
    """`rows` (as `Row`), `same_machine`, and `machine`: the parts of the fingerprints that differ, as [before, after].

    Speed differs beyond the noise if the 95 % intervals are apart by more than the controls of both runs differed by
    and than the rounds of a run differ by. Accuracy does if Newcombe's interval of the difference (Stat. Med. 17, 1998,
    873-890, method 10, which takes the runs as unpaired and so errs towards noise) excludes 0. Across different
    machines no difference is judged.
    """
    machine = differences(before.platform, after.platform)
    same_machine = before.platform.get("id") == after.platform.get("id")
    names = list(dict.fromkeys([*before.cells, *after.cells]))
    rows = [row for name in names for row in _cell_rows(name, before, after)]
    if not same_machine:
        rows = [row if row.change in UNJUDGED else replace(row, change="machines differ") for row in rows]
    return {"same_machine": same_machine, "machine": machine, "rows": [asdict(row) for row in rows]}


def differences(before: Mapping[str, Any], after: Mapping[str, Any], prefix: str = "") -> dict[str, list[Any]]:
    """Dotted keys whose values differ, with both values; None where a side lacks the key."""
    found: dict[str, list[Any]] = {}
    for key in dict.fromkeys([*before, *after]):
        old, new = before.get(key), after.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found |= differences(old, new, f"{prefix}{key}.")
        elif old != new:
            found[f"{prefix}{key}"] = [old, new]
    return found


def _cell_rows(name: str, before: Metrics, after: Metrics) -> list[Row]:
    old, new = before.cells.get(name), after.cells.get(name)
    if old is None or new is None:
        was, now = (cell["status"] if cell else None for cell in (old, new))
        return [Row(name, "status", was, now, "only after" if old is None else "only before")]
    if old["status"] != "measured" or new["status"] != "measured":
        change: Change = "same" if old["status"] == new["status"] else "changed"
        return [Row(name, "status", old["status"], new["status"], change)]
    rows = [
        _label_row(name, old, new),
        _size_row(name, old, new),
        *_accuracy_rows(name, old["accuracy"], new["accuracy"]),
    ]
    sizes = [key for key in old if key.startswith("batch_") and key in new]
    for batch in sizes:
        size = int(batch.removeprefix("batch_"))
        floors = [noise_floor(run.method, size, SPEED_MARGIN) for run in (before, after)]
        margin = max([*floors, *(cell[batch]["round_spread"] or 0.0 for cell in (old, new))])
        rows += [_speed_row(name, batch, figure, old, new, margin) for figure in SPEED_FIGURES]
    return rows


def _label_row(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Row:
    same = old["label"] == new["label"]
    return Row(name, "label", old["label"], new["label"], "same" if same else "changed")


def _size_row(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Row:
    before, after = old["size_mb"], new["size_mb"]
    change: Change = "same" if before == after else "better" if after < before else "worse"
    return Row(name, "size_mb", before, after, change)


def _accuracy_rows(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Row]:
    rows = []
    for figure in ("top1", "agreement"):
        if old[figure] is not None and new[figure] is not None:
            rows.append(Row(name, figure, old[figure], new[figure], _share_change(old, new, figure)))
    return rows


def _share_change(old: Mapping[str, Any], new: Mapping[str, Any], figure: str) -> Change:
    before, after = old[figure], new[figure]
    if before == after:
        return "same"
    difference = after - before
    down = math.hypot(after - new[f"{figure}_low"], old[f"{figure}_high"] - before)
    up = math.hypot(new[f"{figure}_high"] - after, before - old[f"{figure}_low"])
    if difference - down > 0:
        return "better"
    return "worse" if difference + up < 0 else "noise"


def _speed_row(
    name: str,
    batch: str,
    figure: str,
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    margin: float,
) -> Row:
    before, after = old[batch][figure], new[batch][figure]
    row = (name, f"{batch}.{figure}", before, after)
    if before is None or after is None:
        return Row(*row, "same" if before == after else "changed")
    unit = "_per_s" if figure.endswith("_per_s") else "_ms"
    low, high = (f"{figure.removesuffix(unit)}_{bound}{unit}" for bound in ("low", "high"))
    rises = new[batch][low] > old[batch][high] * (1 + margin)
    falls = new[batch][high] * (1 + margin) < old[batch][low]
    if not rises and not falls:
        return Row(*row, "noise")
    return Row(*row, "better" if rises == (unit == "_per_s") else "worse")
