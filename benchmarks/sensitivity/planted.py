"""Small random networks with one tensor whose range is too wide: is it the one that comes first?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from roundoff.calibration.minmax import MinMax
from roundoff.calibration.observing.choosing import choose_range
from roundoff.calibration.observing.observe import histograms
from roundoff.calibration.observing.table import CalibrationTable, Provenance
from roundoff.dataset.base import Images
from roundoff.graph.observed import observed_tensors
from roundoff.graph.queries import model_hash
from roundoff.precision.base import Grid
from roundoff.precision.int8 import Int8
from roundoff.results.sensitivity import Effect
from roundoff.sensitivity.measure import sensitivity_of

NETWORKS, IMAGES, TIMES = 20, 512, 3.0
GRID, INT8 = Grid("uint8", symmetric=False), Int8()
BLOCKS, WIDTH, SIDE = 4, 12, 12

Row = dict[str, Any]


def network(seed: int) -> onnx.ModelProto:
    """Image uint8 [N, 12, 12, 3] → residual blocks of random Convs → mean → logits [N, 10]."""
    random = np.random.default_rng(seed)
    weights: dict[str, Any] = {"factor": np.float32(1 / 127.5), "offset": np.float32(-1), "axes": np.array([2, 3])}
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], "cast", to=TensorProto.FLOAT),
        helper.make_node("Mul", ["pixels", "factor"], ["scaled"], "scaled"),
        helper.make_node("Add", ["scaled", "offset"], ["centred"], "centred"),
        helper.make_node("Transpose", ["centred"], ["planes"], "planes", perm=[0, 3, 1, 2]),
        *_conv(weights, random, "planes", "stem", 3),
        helper.make_node("Relu", ["stem"], ["block0"], "block0"),
    ]
    for number in range(1, BLOCKS + 1):
        before, name = f"block{number - 1}", f"block{number}"
        nodes += [
            *_conv(weights, random, before, f"{name}_first", WIDTH),
            helper.make_node("Relu", [f"{name}_first"], [f"{name}_relu"], f"{name}_relu"),
            *_conv(weights, random, f"{name}_relu", f"{name}_second", WIDTH),
            helper.make_node("Add", [f"{name}_second", before], [f"{name}_sum"], f"{name}_sum"),
            helper.make_node("Relu", [f"{name}_sum"], [name], name),
        ]
    weights["dense"] = random.normal(size=(WIDTH, 10)).astype(np.float32)
    nodes += [
        helper.make_node("ReduceMean", [f"block{BLOCKS}", "axes"], ["features"], "features", keepdims=0),
        helper.make_node("MatMul", ["features", "dense"], ["logits"], "logits"),
    ]
    graph = helper.make_graph(
        nodes,
        "random",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", SIDE, SIDE, 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 10])],
        [numpy_helper.from_array(np.asarray(values), name) for name, values in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def _conv(weights: Row, random: np.random.Generator, taken: str, name: str, channels: int) -> list[onnx.NodeProto]:
    kernel = random.normal(scale=(2 / (9 * channels)) ** 0.5, size=(WIDTH, channels, 3, 3))
    weights[f"{name}/W"] = kernel.astype(np.float32)
    weights[f"{name}/b"] = random.normal(scale=0.1, size=WIDTH).astype(np.float32)
    inputs = [taken, f"{name}/W", f"{name}/b"]
    return [helper.make_node("Conv", inputs, [name], name, kernel_shape=[3, 3], pads=[1, 1, 1, 1])]


def images_of(seed: int, count: int = IMAGES) -> Images:
    """Uint8 [count, 12, 12, 3], each with a tint and a contrast of its own."""
    random = np.random.default_rng(seed)
    tint, contrast = random.normal(scale=30, size=(count, 1, 1, 3)), random.uniform(20, 70, (count, 1, 1, 1))
    noise = random.normal(size=(count, SIDE, SIDE, 3)) * contrast
    return np.clip(128 + tint + noise, 0, 255).astype(np.uint8)


def row(seed: int) -> Row:
    """Which tensor of that network was made bad, by how much, and which place it has on other images."""
    model, random = network(seed), np.random.default_rng(seed)
    table = _table(model, images_of(1000 + seed))
    effects = _effects(model, table, images_of(2000 + seed))
    bad = str(random.choice([effect.source for effect in effects if effect.kind == "activation"]))
    others = max(effect.error for effect in effects if effect.source != bad)
    for _ in range(8):  # an error grows nearly as its step does
        own = next(effect.error for effect in effects if effect.source == bad)
        if abs(own / (TIMES * others) - 1) < 0.02:
            break
        table = _widened(table, bad, TIMES * others / own)
        effects = _effects(model, table, images_of(2000 + seed))
    found = _effects(model, table, images_of(3000 + seed))
    first, planted = found[0], next(effect for effect in found if effect.source == bad)
    return {
        "planted": bad,
        "times_the_next": planted.error / max(effect.error for effect in found if effect.source != bad),
        "first": first.source,
        "rank_high": planted.rank_high,
    }


def _effects(model: onnx.ModelProto, table: CalibrationTable, images: Images) -> list[Effect]:
    return sensitivity_of(INT8, model, GRID, table, images, 0, 0).effects


def _table(model: onnx.ModelProto, images: Images) -> CalibrationTable:
    seen = histograms(model, observed_tensors(model), [images])
    ranges = {name: choose_range(MinMax(), each, each) for name, each in seen.items()}
    return CalibrationTable(ranges, Provenance(model_sha256=model_hash(model)))


def _widened(table: CalibrationTable, name: str, factor: float) -> CalibrationTable:
    seen = table.ranges[name]
    ends = seen.choice(symmetric=False)
    wide = replace(ends, low=ends.low * factor, high=ends.high * factor)
    made = replace(seen, low=seen.low * factor, high=seen.high * factor, asymmetric=wide)
    return CalibrationTable({**table.ranges, name: made}, table.provenance)
