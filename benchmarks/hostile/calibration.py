"""The calibration table, as the INT8 build reads it, and TensorRT's cache of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from numpy.random import Generator

from benchmarks.hostile.case import Case
from benchmarks.hostile.tampering import Tampered, broken_json, changed, found, tampered_cases, wrong_values

TABLE, CACHE, GRAPH = "models/calibration/table.json", "models/calibration/calibration.cache", "models/onnx/model.onnx"


def cases(project: Path, random: Generator) -> Iterator[Case]:
    """Tables and caches, tampered with."""
    good = (project / TABLE).read_bytes()
    table, untouched = json.loads(good), converted(project)
    yield from tampered_cases(project, TABLE, broken_json(good, random), converted, untouched)
    yield from tampered_cases(project, TABLE, wrong_values(table, random, 60, ["ranges"]), converted, untouched)
    yield from tampered_cases(project, TABLE, wrong_values(table, random, 30, ["provenance"]), converted, untouched)
    yield from tampered_cases(project, TABLE, impossible(table, random), converted, untouched)
    cache = (project / CACHE).read_bytes()
    yield from tampered_cases(project, CACHE, caches(cache, random), scales, scales(project))


def converted(folder: Path) -> str:
    """The hash of the INT8 graphs for symmetric and for other grids, as the build makes them."""
    import onnx

    from roundoff.calibration.observing.table import CalibrationTable
    from roundoff.precision.base import Grid
    from roundoff.precision.int8 import Int8

    table, digest = CalibrationTable.load(found(folder, TABLE)), hashlib.sha256()
    for grid in (Grid(), Grid("uint8", symmetric=False)):
        digest.update(Int8().convert(onnx.load(folder / GRAPH), grid, table).SerializeToString(deterministic=True))
    return digest.hexdigest()


def impossible(table: dict[str, Any], random: Generator) -> Iterator[Tampered]:
    """Ranges that no calibration leaves, and tables of another model."""
    ranges = table["ranges"]
    for name in random.choice([*ranges], 6, replace=False):
        at, seen = ["ranges", name], ranges[name]
        wide = seen["seen_high"] - seen["seen_low"] + 1
        yield changed(table, [*at, "high"], seen["low"] - 1)
        yield changed(table, [*at, "high"], seen["seen_high"] + 1000 * wide)
        yield changed(table, [*at, "low"], seen["seen_low"] - 1000 * wide)
        yield changed(table, [*at, "seen_high"], seen["seen_low"] - 1)
        yield changed(table, [*at, "clipped_fraction"], 2.5)
        yield changed(table, [*at, "clipped_fraction"], -0.5)
        yield changed(table, [*at, "low"], 1e39)
        yield changed(table, [*at, "extra"], 1)
        if seen["asymmetric"]:
            yield changed(table, [*at, "asymmetric", "low"], seen["asymmetric"]["high"] + 1)
            yield changed(table, [*at, "asymmetric", "high"], seen["seen_high"] + 1000 * wide)
        if seen["channel_means"]:
            yield changed(table, [*at, "channel_means"], seen["channel_means"][:-1])
            yield changed(table, [*at, "channel_means"], [1e30] * len(seen["channel_means"]))
    yield changed(table, ["ranges", "no such tensor"], ranges[next(iter(ranges))])
    yield changed(table, ["ranges"], {})
    yield changed(table, ["provenance", "model_sha256"], "0" * 64)
    for version in (1, 3, 2.5, "2", None):
        yield changed(table, ["format"], version)


def scales(folder: Path) -> dict[str, float]:
    """The scales of the cache."""
    from roundoff.calibration.observing.cache import scales_from_cache

    return scales_from_cache(found(folder, CACHE).read_text(encoding="utf-8"))


def caches(good: bytes, random: Generator) -> Iterator[Tampered]:
    """Caches that TensorRT would misread."""
    lines = good.decode().splitlines()
    yield "empty", b""
    yield "no header", "\n".join(lines[1:]).encode()
    yield "a header alone", lines[0].encode()
    yield "another header", "\n".join(["FOO-1", *lines[1:]]).encode()
    for number in random.choice(range(1, len(lines)), 3, replace=False):
        name = lines[number].rpartition(": ")[0]
        hostile = {
            "NaN": "7fc00000",
            "infinity": "7f800000",
            "a negative scale": "bf800000",
            "no digits": "",
            "nine digits": "3f8000000",
            "a decimal": "0.5",
        }
        for how, digits in hostile.items():
            rest = [*lines[:number], f"{name}: {digits}", *lines[number + 1 :]]
            yield f"{how} in line {number + 1}", "\n".join(rest).encode()
        yield f"line {number + 1} twice", "\n".join([*lines, f"{name}: 3f800000"]).encode()
        yield f"line {number + 1} cut", "\n".join([*lines[:number], lines[number][:-12]]).encode()
