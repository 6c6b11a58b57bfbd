"""What the benchmark asks of its result: each target in words, and whether it was met; what is missing is missed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.sensitivity.planted import NETWORKS

Row = dict[str, Any]
ADDS_BELOW, ADDS_WITHIN, FEWEST, FALSE_CLAIMS, PASSES, RUINED = 0.10, 0.10, 6, 0.05, 1.3, 0.9
RESNET20_SECONDS = 60.0
RIVALS = ("nncf", "random", "noise")


def targets(result: dict[str, Any]) -> dict[str, bool]:
    """Each target in words."""
    planted = [row for row in result["rows"] if row["kind"] == "planted"]
    networks = [row for row in result["rows"] if row["kind"] == "network"]
    met = dict(_planted(planted)) | dict(_measuring(networks)) | dict(_claims(networks))
    return met | dict(_orders(networks))


def _planted(rows: list[Row]) -> Iterator[tuple[str, bool]]:
    first = sum(row["planted"] == row["first"] for row in rows)
    yield f"a planted tensor comes first in {first} of {NETWORKS} networks", first == NETWORKS


def _measuring(rows: list[Row]) -> Iterator[tuple[str, bool]]:
    ruined = [row["network"] for row in rows if row["orders"]["agreement"] < RUINED]
    yield f"{len(rows)} networks, at least {FEWEST}", len(rows) >= FEWEST
    yield f"INT8 ruins one of them (agreement below {RUINED}: {', '.join(ruined) or 'none'})", bool(ruined)
    for row in rows:
        off = row["root_sum_squares"] / row["error"] - 1
        if row["error"] < ADDS_BELOW:
            yield f"{row['network']}: the root of the sum of squares is {100 * off:+.1f} % off", abs(off) <= ADDS_WITHIN
        else:
            yield (
                f"{row['network']}: INT8 errs by {100 * row['error']:.0f} %, and effects are not said to add",
                not row["adds"],
            )
        passes = row["passes_per_half"]
        yield f"{row['network']}: {passes:.2f} half passes a source, at most {PASSES}", passes <= PASSES
        yield f"{row['network']}: no test image was used", row["test_images_used"] == 0
        if row["network"] == "resnet20":
            seconds = row["seconds"] * 1024 / row["images"]
            yield (
                f"ResNet-20, 1,024 images: {seconds:.0f} s, at most {RESNET20_SECONDS:.0f}",
                seconds <= RESNET20_SECONDS,
            )


def _claims(rows: list[Row]) -> Iterator[tuple[str, bool]]:
    for row in rows:
        share = row["false_claims"]["worst"]
        yield f"{row['network']}, labels permuted: a worst tensor in {100 * share:.0f} %", share <= FALSE_CLAIMS


def _orders(rows: list[Row]) -> Iterator[tuple[str, bool]]:
    for rival in RIVALS:
        for kind, words in (("by_agreement", "disagreement"), ("by_error", "error")):
            raced = [row for row in rows if row["orders"][kind].get(rival) is not None]
            won = sum(row["orders"][kind]["roundoff"] <= row["orders"][kind][rival] for row in raced)
            sums = [sum(row["orders"][kind][name] for row in raced) for name in ("roundoff", rival)]
            yield (
                f"half the {words}: as few multiply-adds wide as {rival}'s order on {won} of {len(raced)} networks, "
                f"fewer in the mean",
                len(raced) >= FEWEST and sums[0] < sums[1],
            )
