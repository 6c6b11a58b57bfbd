"""What a good choice of ranges is: near the best candidate on fresh values, whatever the tensor looks like."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from roundoff.calibration.base import Fallback, TensorRange
from roundoff.calibration.entropy import Entropy
from roundoff.calibration.minmax import MinMax
from roundoff.calibration.mse import MeanSquaredError, ends_error
from roundoff.calibration.observing.cache import cache_from_table, scales_from_cache
from roundoff.calibration.observing.calibrate import calibrate
from roundoff.calibration.observing.choosing import choose_range
from roundoff.calibration.observing.fallbacks import check_fallbacks
from roundoff.calibration.observing.guards import MOST_NAMED
from roundoff.calibration.observing.histogram import Histogram
from roundoff.calibration.observing.observe import histograms
from roundoff.calibration.observing.table import CalibrationTable, Provenance
from roundoff.graph.grid import fake_quantize, grid_for
from roundoff.graph.observed import observed_tensors
from roundoff.graph.queries import model_hash
from roundoff.precision.base import Grid
from roundoff.precision.int8 import Int8, IntegerCodec
from roundoff.results.message import Words
from tests.support.calibration import network
from tests.support.present import present

GRIDS = {True: Grid(), False: Grid("uint8", symmetric=False)}


def histogram_of(values) -> Histogram:
    seen = Histogram()
    seen.add(np.asarray(values, np.float32))
    return seen


def decibels(values, seen: TensorRange, symmetric: bool) -> float:
    """The signal-to-noise ratio on a grid of that kind, as the precision int8 builds it."""
    grid = GRIDS[symmetric]
    scale, zero = IntegerCodec(grid).activation(seen)
    noise = np.square(values - fake_quantize(values, scale, int(zero), grid.activation), dtype=np.float64).sum()
    return float(10 * np.log10(np.square(values, dtype=np.float64).sum() / max(noise, 1e-300)))


def strokes(background: float, stroke: float, seed: int = 0) -> np.ndarray:
    """Pictures of few strokes on a plain background, with soft edges, standardised; float32."""
    random = np.random.default_rng(seed)
    inked = random.random((320, 784))
    values = np.where(inked < 0.87, background, np.where(inked < 0.94, random.uniform(0, 255, inked.shape), stroke))
    return np.asarray((values - values.mean()) / values.std(), np.float32)


TENSORS = {
    "white strokes on black": strokes(0, 255),
    "black strokes on white": strokes(255, 0),
    "background at -2.1": (np.where(strokes(0, 255) < 0, -2.1, strokes(0, 255))).astype(np.float32),
    "spike at a positive offset": np.where(
        np.random.default_rng(0).random(200_000) < 0.5, 0.4, 0.4 + np.abs(np.random.default_rng(1).normal(size=200_000))
    ).astype(np.float32),
    "unlike ranges side by side": np.concatenate(
        [np.random.default_rng(2).uniform(0, 0.1, 150_000), np.random.default_rng(3).uniform(-6, 6, 50_000)]
    ).astype(np.float32),
    "a long tail on one side": np.concatenate(
        [-np.random.default_rng(4).exponential(0.05, 100_000), np.random.default_rng(5).exponential(1, 100_000)]
    ).astype(np.float32),
}


@pytest.mark.parametrize("symmetric", [True, False], ids=["symmetric", "asymmetric"])
@pytest.mark.parametrize("method", [MeanSquaredError(), Entropy()], ids=lambda method: method.name)
@pytest.mark.parametrize("name", TENSORS)
def test_spikes_away_from_zero_ruin_nothing(name, method, symmetric):
    values = TENSORS[name]
    seen = histogram_of(values)
    found, whole = (choose_range(one, seen, seen) for one in (method, MinMax()))
    worse_by_3_db = decibels(values, whole, symmetric) - 3.1
    assert decibels(values, found, symmetric) > worse_by_3_db


def test_each_side_is_clipped_apart_on_a_grid_that_is_fitted_to_both_ends():
    values = np.concatenate([np.random.default_rng(0).uniform(-1, 0, 500_000), [3.0] * 2, [0.01]])
    seen = histogram_of(values)
    chosen = choose_range(MeanSquaredError(), seen, seen)
    other = chosen.choice(symmetric=False)
    assert other.low == pytest.approx(-1, abs=0.01)
    assert other.high < 3
    assert IntegerCodec(GRIDS[False]).activation(chosen) == grid_for(other.low, other.high, "uint8", False)
    assert IntegerCodec(GRIDS[True]).activation(chosen) == grid_for(chosen.low, chosen.high, "int8", True)


@pytest.mark.parametrize(
    "values", [[0.0] * 50, [2.5] * 50, [-3.0] * 50, [1e-44] * 50, [0.0, 1.0] * 50, [-1.0, 0.5] * 9]
)
def test_few_values_are_kept_exactly(values):
    values = np.array(values, np.float32)
    seen = histogram_of(values)
    chosen, whole = (choose_range(method, seen, seen) for method in (MeanSquaredError(), MinMax()))
    for symmetric in (True, False):
        assert not values.any() or decibels(values, chosen, symmetric) >= min(decibels(values, whole, symmetric), 120)


def test_held_out_images_help_to_choose():
    some = np.random.default_rng(0).uniform(0, 1, 5000)
    seen, held_out = histogram_of(some), histogram_of([1.5] * 3000)
    assert choose_range(MeanSquaredError(), seen, held_out).high == 1.5
    both = seen.merged(held_out)
    assert (both.total, both.high) == (8000, 1.5)
    assert np.array_equal(
        both.counts, histogram_of(np.append(np.random.default_rng(0).uniform(0, 1, 5000), [1.5] * 3000)).counts
    )


def test_a_fallback_is_told_in_the_table_and_by_one_warning():
    seen = histogram_of(strokes(0, 255))
    ranges = {f"tensor {number}": choose_range(Entropy(), seen, seen) for number in range(MOST_NAMED + 2)}
    fallback = ranges["tensor 0"].fallback
    assert isinstance(fallback, Fallback)
    assert (fallback.method, fallback.best, ranges["tensor 0"].method) == ("entropy", "mse", "mse")
    assert fallback.error > 2 * fallback.best_error > 0
    sound = histogram_of(np.random.default_rng(0).normal(size=50_000))
    ranges["sound"] = choose_range(Entropy(), sound, sound)
    assert ranges["sound"].fallback is None
    findings = check_fallbacks(ranges)
    assert [(finding.guard, finding.level) for finding in findings] == [("fallback", "warning")]
    text = str(findings[0].message)
    assert "2 more" in Words("ja").sentence(findings[0].message)
    assert "7 of 8 tensors" in text
    assert f"tensor 0 {100 * fallback.error:.3g} % against {100 * fallback.best_error:.3g} %" in text
    assert "; 2 more; set calibrate=mse" in text
    assert check_fallbacks({"sound": ranges["sound"]}) == []


def test_a_table_with_a_fallback_is_read_as_it_was_written(tmp_path):
    seen = histogram_of(strokes(0, 255))
    table = CalibrationTable({"image": choose_range(Entropy(), seen, seen)}, Provenance(seed=0))
    table.save(tmp_path / "table.json")
    assert CalibrationTable.load(tmp_path / "table.json") == table
    assert scales_from_cache(cache_from_table(table))["image"] == pytest.approx(table.ranges["image"].high / 127)


def test_a_table_of_symmetric_ranges_alone_serves_both_grids(tmp_path):
    path = tmp_path / "table.json"
    path.write_text(
        '{"format": 2, "provenance": {}, "ranges": {"a": {"low": -1, "high": 2, "seen_low": -1, "seen_high": 3, '
        '"method": "entropy", "clipped_fraction": 0.01, "histogram": {}, "channel_means": null}}}'
    )
    seen = CalibrationTable.load(path).ranges["a"]
    assert seen.choice(symmetric=False) == seen.choice(symmetric=True)
    assert (seen.low, seen.high, seen.fallback) == (-1, 2, None)


def behind_batch_norm(seed: int) -> onnx.ModelProto:
    """The test network with a BatchNorm, as Mul and Add by channel, behind its first ReLU."""
    model, random = network(seed), np.random.default_rng(seed)
    model.graph.initializer.extend(
        [
            numpy_helper.from_array(random.uniform(0.5, 1.5, (8, 1, 1)).astype(np.float32), "gamma"),
            numpy_helper.from_array((random.normal(size=(8, 1, 1)) * 0.4).astype(np.float32), "beta"),
        ]
    )
    nodes = list(model.graph.node)
    place = next(i for i, node in enumerate(nodes) if node.name == "relu1") + 1
    for node in nodes[place:]:
        for slot, name in enumerate(node.input):
            if name == "relu1":
                node.input[slot] = "shifted"
    mul, add = ("Mul", ["relu1", "gamma"], ["scaled1"]), ("Add", ["scaled1", "beta"], ["shifted"])
    scaling = [helper.make_node(*mul), helper.make_node(*add)]
    del model.graph.node[:]
    model.graph.node.extend([*nodes[:place], *scaling, *nodes[place:]])
    onnx.checker.check_model(model)
    return model


def logits(model, images):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # as written: some CPUs' 8-bit kernels saturate, which is the backend's business
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"image": images})[0]


@pytest.mark.parametrize("symmetric", [True, False], ids=["symmetric", "asymmetric"])
@pytest.mark.parametrize("method", [MeanSquaredError(), Entropy()], ids=lambda method: method.name)
def test_a_network_with_batch_norm_behind_relu_keeps_its_answers(method, symmetric):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (96, 12, 12, 3), dtype=np.uint8)
    for seed in range(6):
        model = behind_batch_norm(seed)
        seen = histograms(model, observed_tensors(model), [images[:64]])
        ranges = {name: choose_range(method, one, one) for name, one in seen.items()}
        table = CalibrationTable(ranges, Provenance(model_sha256=model_hash(model)))
        exact = logits(model, images[64:])
        made = logits(Int8().convert(model, GRIDS[symmetric], table), images[64:])
        assert np.linalg.norm(made - exact) < 0.03 * np.linalg.norm(exact)


def test_a_fallback_is_logged_once(model_path, prepared, caplog, monkeypatch):
    monkeypatch.setattr("roundoff.calibration.entropy.FALLBACK_RATIO", 1.0)
    outcome = calibrate(Entropy(images=64), model_path, prepared)
    told = [record.getMessage() for record in caplog.records if "fallback" in record.getMessage()]
    assert len(told) == 1
    assert told[0].startswith("warning: fallback: entropy errs too much on ")
    warnings = [str(warning) for warning in outcome.metrics.findings]
    assert told[0].removeprefix("warning: ") in warnings
    assert any(seen.fallback for seen in outcome.table.ranges.values())


def test_noise_is_told_for_both_kinds_of_grid(model_path, prepared):
    int8 = Int8()
    outcome = calibrate(
        MeanSquaredError(images=64),
        model_path,
        prepared,
        int8.quantized_tensors,
        lambda model: int8.quantized_tensors(model, GRIDS[False]),
    )
    rows = {row.tensor: row for row in outcome.noise}
    assert present(rows["relu1"].asymmetric_sqnr_db) > rows["relu1"].sqnr_db + 4
    assert (rows["conv2"].quantized, rows["conv2"].asymmetric_quantized) == (False, True)
    assert rows["w1"].asymmetric_sqnr_db is None
    assert rows["relu1"].clipped_percent == 100 * outcome.table.ranges["relu1"].clipped_fraction


def test_the_error_of_ends_that_hold_nothing_is_infinite():
    assert ends_error(histogram_of([1.0, 2.0]), (0.0, 0.0)) == np.inf
    assert ends_error(histogram_of([0.0]), (0.0, 0.0)) == 0
