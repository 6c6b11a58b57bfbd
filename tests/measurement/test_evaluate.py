"""The evaluate stage's body on real engines: a small convolutional network on ONNX Runtime, in three precisions."""

import json
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import onnx
import pytest

from roundoff.backend.onnxrt.backend import OnnxRuntime, OnnxRuntimeRunner
from roundoff.cells.cell import find_cells
from roundoff.errors import Unavailable
from roundoff.measurement import bench
from roundoff.precision.fp32 import Fp32
from roundoff.results.build import Builds, LayerTypes
from roundoff.results.checked import as_json
from roundoff.results.metrics import read_metrics
from roundoff.results.preparation import Counts, Manifest
from roundoff.system.files import read_json, sha256_of, write_json
from tests.support.cells import (
    BACKENDS,
    CLASSES,
    COUNT,
    PLATFORM,
    PRECISIONS,
    QUICK,
    OnGpus,
    build,
    prepare,
    run,
)
from tests.support.present import present


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    root = tmp_path_factory.mktemp("measured")
    prepare(root / "data")
    build(root)
    return root, run(root)


def test_every_cell_has_a_row_and_the_right_file(measured):
    root, rows = measured
    assert set(rows) == {f"{p}/{b}" for p in PRECISIONS for b in BACKENDS}
    fp16 = json.loads((root / "metrics/fp16.json").read_text())
    assert fp16["onnxruntime"] == as_json(rows["fp16/onnxruntime"])
    assert fp16["reference"] == "fp32/onnxruntime"
    assert fp16["platform"] == as_json(PLATFORM)
    more = json.loads((root / "metrics/more.json").read_text())
    assert more["half"]["nowhere"] == as_json(rows["half/nowhere"])
    assert json.loads((root / "metrics/int8.json").read_text()).keys() == {"format", "platform", "reference", "method"}


def test_accuracy_is_what_the_saved_predictions_say(measured):
    root, rows = measured
    classes = np.load(root / "predictions/fp16/onnxruntime.npy", allow_pickle=False)
    labels = np.load(root / "predictions/labels.npy", allow_pickle=False)
    found = rows["fp16/onnxruntime"].accuracy
    assert (classes.dtype, classes.shape) == (np.int32, (COUNT, CLASSES))
    assert found.correct == int((classes[:, 0] == labels).sum())
    assert found.samples == COUNT
    assert 1e-5 < rows["fp16/onnxruntime"].numerics.relative_error < 1e-2


def test_logits_are_kept_on_request_and_say_the_same_as_what_is_kept_else(fresh):
    plan = replace(QUICK, accuracy_only=["onnxruntime"])
    run(fresh, plan)
    cell = fresh / "predictions/fp16/onnxruntime.npy"
    classes, margin = np.load(cell), np.load(cell.with_name("onnxruntime.margin.npy"))
    rows = run(fresh, replace(plan, keep_logits=True))
    logits = np.load(cell)
    assert logits.dtype == np.float32
    assert not cell.with_name("onnxruntime.margin.npy").exists()
    np.testing.assert_array_equal(classes, np.argsort(-logits, axis=1, kind="stable"))
    np.testing.assert_array_equal(margin, -np.diff(np.sort(logits, axis=1)[:, ::-1], axis=1)[:, 0])
    assert (logits.argmax(1) == np.load(fresh / "predictions/labels.npy")).sum() == rows[
        "fp16/onnxruntime"
    ].accuracy.correct


def test_speed_is_measured_at_every_batch_size_with_raw_samples(measured):
    root, rows = measured
    for size in (1, 4):
        found = rows["fp16/onnxruntime"].batches[size]
        assert found.speedup_low <= found.speedup <= found.speedup_high
        assert found.throughput_per_s > 0
        raw = np.load(root / f"timings/fp16/onnxruntime/batch_{size}.npz", allow_pickle=False)
        assert len(raw["device_ms"]) == found.runs
        assert len(raw["round_ms"]) == found.rounds >= QUICK.min_loads
        assert len(set(raw["round_load"])) == found.loads >= QUICK.min_loads
    assert rows["fp32/onnxruntime"].batches[1].speedup == 1
    assert rows["fp32/onnxruntime"].load_ms > 0


def test_what_the_timed_outputs_were_off_by_is_kept(measured):
    _, rows = measured
    batch = rows["fp16/onnxruntime"].batches[4]
    assert 0 <= batch.output_error <= batch.output_tolerance <= 0.5


def test_the_test_set_has_a_hash_where_its_files_have(fresh):
    data, seen = fresh / "data", []
    written = as_json(Manifest(classes=[*"0123"], counts=Counts(train=200, test=200)))
    images = np.load(data / "test_images.npy")
    for pixel, train in ((1, "c"), (1, "other"), (2, "c")):
        images[0, 0, 0, 0] = pixel
        np.save(data / "test_images.npy", images)
        hashes = {name: sha256_of(data / name) for name in ("test_images.npy", "test_labels.npy")}
        write_json(data / "manifest.json", written | {"hashes": hashes | {"train_images.npy": train}})
        run(fresh, replace(QUICK, accuracy_only=["onnxruntime"]))
        seen.append(json.loads((fresh / "metrics/fp32.json").read_text())["method"]["test_set"])
    assert seen[0] == seen[1] != seen[2]


def test_the_same_engine_is_timed_twice_as_a_control(measured):
    root, _ = measured
    method = json.loads((root / "metrics/fp32.json").read_text())["method"]
    control = method["devices"]["cpu"]["aa_control"]
    assert control["cell"] == "fp32/onnxruntime"
    assert control["batch_1"]["speedup_low"] <= control["batch_1"]["speedup"] <= control["batch_1"]["speedup_high"]
    assert method["evaluate"]["batch_sizes"] == [1, 4]


def test_a_cell_that_cannot_run_here_is_a_row_with_its_reason(measured):
    _, rows = measured
    row = rows["fp32/nowhere"]
    assert (row.status, str(row.reason)) == ("unavailable", "no such device here")
    assert row.size_mb == 6e-6


def test_a_cell_that_was_not_built_is_a_row(fresh):
    rows = run(fresh, backends={**BACKENDS, "later": OnnxRuntime(threads=1)})
    assert "not built" in str(rows["fp32/later"].reason)


@pytest.mark.parametrize(
    ("configured", "reason"),
    [(["onnxruntime"], "not_configured"), (["onnxruntime", "later"], "no_engine"), ([], "no_engine")],
)
def test_a_cell_is_called_not_configured_only_where_the_build_says_so(fresh, configured, reason):
    for sidecar in fresh.glob("engines/fp32/*/cell.json"):
        write_json(sidecar, read_json(sidecar) | {"configured": configured})
    *_, later = find_cells(fresh / "engines", {"fp32": Fp32()}, {**BACKENDS, "later": OnnxRuntime(threads=1)})
    assert (later.name, present(later.built.reason).code) == ("fp32/later", reason)


@dataclass(frozen=True)
class Coarse(OnnxRuntime):
    """Answers with ten bits of mantissa, as a GPU's TF32 does."""

    strict_fp32 = False

    def load(self, directory):
        runner: Any = super().load(directory)
        infer = runner.infer
        runner.infer = lambda images: infer(images).astype(np.float16).astype(np.float32)
        return runner


def test_strict_fp32_is_the_reference_whatever_its_name(tmp_path):
    backends = {"coarse": Coarse(threads=1), "mine": OnnxRuntime(threads=1)}
    prepare(tmp_path / "data")
    build(tmp_path, precisions={"fp32": Fp32()}, backends=backends)
    rows = run(tmp_path, replace(QUICK, batch_sizes=[1]), backends=backends)
    assert read_json(tmp_path / "metrics/fp32.json")["reference"] == "fp32/mine"
    assert rows["fp32/mine"].numerics.relative_error == 0
    float32 = dict.fromkeys(("weights", "activations", "remainder"), "float32")
    assert read_json(tmp_path / "metrics/fp32.json")["method"]["precisions"] == {"fp32": float32}


def test_an_fp32_reference_that_computes_in_tf32_says_so(tmp_path):
    backend = Coarse(threads=1)
    prepare(tmp_path / "data")
    build(tmp_path, precisions={"fp32": Fp32()}, backends={"gpu": backend})
    row = run(tmp_path, backends={"gpu": backend})["fp32/gpu"]
    assert row.effective_precision == "tf32"
    assert 3e-5 < row.numerics.relative_error < 1e-3


def test_what_the_loaded_engine_tells_of_its_types_is_in_the_row(fresh, monkeypatch):
    told = LayerTypes(layer_types={"float16": 2}, compute_share={"float16": 1.0})
    monkeypatch.setattr(OnnxRuntimeRunner, "layer_types", lambda self: told)
    numerics = run(fresh)["fp16/onnxruntime"].numerics
    assert numerics.relative_error > 0
    assert (numerics.layer_types, numerics.compute_share) == (told.layer_types, told.compute_share)


def test_a_batch_size_that_does_not_fit_is_a_row_and_the_others_stand(fresh, monkeypatch):
    bind = OnnxRuntimeRunner.bind

    def limited(self, batches):
        if len(batches[0]) == 4:
            raise Unavailable("out of memory at batch size 4")
        return bind(self, batches)

    monkeypatch.setattr(OnnxRuntimeRunner, "bind", limited)
    row = run(fresh)["fp16/onnxruntime"]
    assert str(row.batches[4].reason) == "out of memory at batch size 4"
    assert as_json(row.batches[4]).keys() == as_json(row.batches[1]).keys()
    assert row.batches[4].device_p50_ms is None
    assert row.batches[1].device_p50_ms > 0


def test_each_timed_load_of_an_engine_has_its_memory_moved(fresh, monkeypatch):
    sizes = []

    def scatter(random):
        sizes.append(random.integers(10**9))
        return []

    monkeypatch.setattr(bench, "scatter", scatter)
    run(fresh)
    assert len(sizes) >= 2 * QUICK.min_loads
    assert len(set(sizes)) == len(sizes)


def test_a_batch_larger_than_the_test_set_repeats_images(fresh):
    row = run(fresh, replace(QUICK, batch_sizes=[2 * COUNT]))["fp16/onnxruntime"]
    assert row.batches[2 * COUNT].throughput_per_s > 0


@pytest.mark.slow  # two processes that load every library
def test_loads_shared_by_processes_of_their_own_make_whole_rows(fresh, monkeypatch):
    """Two names of one CPU stand for two GPUs: the same processes, the same merging, two locks."""
    monkeypatch.setattr("roundoff.measurement.evaluate.equal_gpus", lambda device, platform: ["first", "second"])
    rows = run(fresh, backends={"onnxruntime": OnGpus(threads=1)})
    devices = read_metrics(fresh / "metrics").method.devices
    assert [(name, each.first_load) for name, each in devices.items()] == [("GPU-first", 0), ("GPU-second", 1)]
    assert len({each.loads for each in devices.values()}) == 1
    for name in ("fp32/onnxruntime", "fp16/onnxruntime"):
        for size in (1, 4):
            assert rows[name].batches[size].loads == sum(each.loads for each in devices.values()) >= QUICK.min_loads
    assert (fresh / "timings/fp16/onnxruntime/batch_4.npz").exists()


@dataclass(frozen=True)
class Rebuilt(OnnxRuntime):
    """Each build's file differs, as TensorRT's do; `load` remembers which was taken."""

    repeats: int = 2
    loaded: list[Any] = field(default_factory=list)

    def build(self, source, directory):
        facts = super().build(source, directory)
        model = onnx.load(directory / self.artifact)
        model.doc_string = "again" if source.again else "first"
        onnx.save(model, directory / self.artifact)
        return facts

    def load(self, directory):
        self.loaded.append(directory.name)
        return super().load(directory)


def test_several_builds_are_timed_in_turn_and_each_has_its_median(tmp_path):
    backend = Rebuilt(threads=1)
    prepare(tmp_path / "data")
    build(tmp_path, precisions={"fp32": Fp32()}, backends={"rebuilt": backend})
    row = run(tmp_path, replace(QUICK, aa_control=False), {"rebuilt": backend})["fp32/rebuilt"]
    assert row.builds == Builds(count=2, different=2)
    first, second = row.batches[1].build_p50_ms
    assert first > 0
    assert second > 0
    timed = backend.loaded[2:]  # after the test set's load and the first one of all, which is not timed
    assert timed == (["rebuilt", "2"] * len(timed))[: len(timed)]


def test_a_backend_for_accuracy_only_runs_the_test_set_and_is_not_timed(fresh):
    row = run(fresh, replace(QUICK, accuracy_only=["onnxruntime"]))["fp32/onnxruntime"]
    assert row.accuracy.samples == COUNT
    assert not row.batches
    assert row.energy.reason.code == "accuracy_only"


def test_settings_from_a_configuration_are_plain_and_fit_into_json():
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    node = OmegaConf.create(
        {"_target_": "roundoff.measurement.evaluate.Evaluation", "batch_sizes": [2], "accuracy_only": ["litert"]}
    )
    assert json.loads(json.dumps(asdict(instantiate(node))))["accuracy_only"] == ["litert"]
