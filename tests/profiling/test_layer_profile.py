"""The profile of built cells: what is timed, what cannot be, and what a device reaches."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from roundoff.backend.base import LayerTime, LayerTimer
from roundoff.backend.onnxrt.backend import OnnxRuntime
from roundoff.dataset.base import Prepared
from roundoff.errors import ConfigError
from roundoff.precision.fp32 import Fp32
from roundoff.precision.int8 import Int8
from roundoff.profiling import micro, roofline
from roundoff.profiling.layer_profile import LayerProfile
from roundoff.profiling.measuring import WARM_UP, Whole
from roundoff.results.layers import LayerRow, Profile, Roofline
from tests.support.cells import PLATFORM, Nowhere, build, images_and_labels
from tests.support.cells import prepare as prepare_test_split
from tests.support.machine import eight_bits

QUICK = LayerProfile(enabled=True, batch_size=4, seconds=0.01, least_runs=3, roofline=False)
ONE = {"fp32": Fp32()}


@dataclass(frozen=True)
class Mute(OnnxRuntime):
    """A backend from outside, which tells no times per layer."""

    def layer_times(self, directory, batches):
        return super(OnnxRuntime, self).layer_times(directory, batches)


class Slow(LayerTimer):
    """Two layers of 3 and 1 milliseconds, whose first runs take a hundred times as long."""

    def __init__(self):
        self.runs = 0

    def run(self, runs):
        self.runs += runs

    def layers(self):
        factor = np.where(np.arange(self.runs) < WARM_UP, 100.0, 1.0)
        return [LayerTime("first", "Conv", 3 * factor), LayerTime("second", "Relu", factor)]


@dataclass(frozen=True)
class Known(OnnxRuntime):
    """A backend whose layers take known times."""

    def layer_times(self, directory, batches):
        return Slow()


def profiled(root, backends, profile=QUICK, precisions=ONE, before=None):
    """The profile and its rows of the small network's cells."""
    prepare_test_split(root / "data")
    np.save(root / "data/train_images.npy", images_and_labels(3)[0])
    np.save(root / "data/train_labels.npy", images_and_labels(3)[1])
    build(root, precisions=precisions, backends=backends)
    return profile.run(
        engines=root / "engines",
        precisions=precisions,
        backends=backends,
        prepared=Prepared(root / "data"),
        platform=PLATFORM,
        before=before or Profile(),
    )


def test_off_it_looks_at_nothing(tmp_path):
    found = LayerProfile().run(
        engines=tmp_path,
        precisions={},
        backends={},
        prepared=Prepared(tmp_path),
        platform=PLATFORM,
        before=Profile(),
    )
    assert found == (Profile(), [])


def test_a_cell_has_a_row_for_each_layer_and_their_sum_beside_the_whole_run(tmp_path):
    profile, rows = profiled(tmp_path, {"onnxruntime": OnnxRuntime(threads=1)})
    told = profile.cells["fp32/onnxruntime"]
    assert (told.status, told.device, profile.batch_size, profile.platform) == ("measured", "cpu", 4, "test")
    assert told.runs >= 3
    assert told.layers_ms > 0
    assert told.whole_ms > 0
    assert told.covered > 0
    assert told.replay_ms is None
    assert {"product", "conversion", "other"} == {row.role for row in rows}
    convolution = next(row for row in rows if "conv" in row.nodes)
    assert convolution.macs == 4 * 6 * 8 * 8 * 3 * 9
    assert convolution.computes_in == "float32"


def test_times_mean_what_trtexec_means_and_warming_up_is_left_out(tmp_path):
    profile, rows = profiled(tmp_path, {"onnxruntime": Known(threads=1)})
    told = profile.cells["fp32/onnxruntime"]
    assert told.layers_ms == pytest.approx(4.0)
    first, second = rows
    assert (first.average_ms, first.median_ms, first.percentage) == pytest.approx((3.0, 3.0, 75.0))
    assert first.time_ms == pytest.approx(3.0 * told.runs)
    assert second.percentage == pytest.approx(25.0)


def test_a_backend_without_times_per_layer_has_a_row_that_says_so(tmp_path):
    profile, rows = profiled(tmp_path, {"mine": Mute(threads=1), "nowhere": Nowhere()})
    assert profile.cells["fp32/mine"].status == "unavailable"
    assert [(row.backend, row.timed) for row in rows] == [("mine", False), ("nowhere", False)]
    assert rows[0].reason == "the backend Mute has no times per layer"
    assert rows[1].reason == "no such device here"


def test_rooflines_are_measured_by_small_networks_and_kept_for_the_machine(tmp_path, monkeypatch):
    tiny = micro.Size(side=16, channels=64, copied_side=256)
    monkeypatch.setattr(micro, "ON_CPU", tiny)
    monkeypatch.setattr(roofline, "LEAST_MS", 0.0)  # layers as small as these are over sooner on a fast CPU
    backends, both = {"onnxruntime": OnnxRuntime(threads=1)}, {"fp32": Fp32(), "int8": Int8()}
    with_roofline = replace(QUICK, roofline=True)
    before = Profile(platform="other", rooflines={"cpu": Roofline(bytes_per_s=1.0, measured_by=["fp32/onnxruntime"])})
    profile, _ = profiled(tmp_path, backends, with_roofline, ONE, before)
    found = profile.rooflines["cpu"]
    assert found.macs_per_s["float32"] > 0
    assert found.bytes_per_s > 1
    again, _ = with_roofline.run(
        engines=tmp_path / "engines",
        precisions=ONE,
        backends=backends,
        prepared=Prepared(tmp_path / "data"),
        platform=PLATFORM,
        before=profile,
    )
    assert again.rooflines == profile.rooflines
    more, _ = with_roofline.run(
        engines=tmp_path / "engines",
        precisions=both,
        backends=backends,
        prepared=Prepared(tmp_path / "data"),
        platform=PLATFORM,
        before=profile,
    )
    assert {"float32", eight_bits()} <= more.rooflines["cpu"].macs_per_s.keys()


def test_the_small_networks_are_as_large_as_their_device_wants_and_do_not_grow_with_the_batch(tmp_path, monkeypatch):
    """At 1,024 images the large ones took 61 GB of a CPU that stood beside a GPU."""
    tried, size = [], micro.Size(side=8, channels=8, copied_side=16)
    monkeypatch.setattr(micro, "ON_CPU", size)
    monkeypatch.setattr(roofline, "MOST_IMAGES", 2)
    monkeypatch.setattr(roofline, "measured", lambda cell, platform, batches, effort: tried.append(batches[0].shape))
    profiled(tmp_path, {"onnxruntime": OnnxRuntime(threads=1)}, replace(QUICK, roofline=True))
    assert tried == [(2, 8, 8, 8), (2, 16, 16, 4)]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("batch_size", 0),
        ("least_runs", 1),
        ("seconds", 0.0),
        ("seconds", float("inf")),
        ("lock_directory", ""),
        ("lock_timeout_s", -1.0),
    ],
)
def test_settings_beyond_sense_are_refused(key, value):
    with pytest.raises(ConfigError, match=f"profile.{key}"):
        LayerProfile(**{key: value})


def test_layers_are_held_against_the_whole_runs_beside_them():
    """A machine that is three times as slow for a while changes no share."""
    whole = Whole(2, enqueued=[1.0, 3.0, 1.0])
    assert whole.share_of(np.array([0.8, 1.0, 2.7, 2.7, 0.9, 0.9])) == pytest.approx(0.9)


def test_where_no_backend_takes_onnx_there_is_no_roofline(tmp_path):
    profile, _ = profiled(tmp_path, {"mine": Nowhere()}, replace(QUICK, roofline=True))
    assert profile.rooflines == {}


def test_layers_that_stand_for_one_node_move_its_bytes_once():
    """A mean in two steps: the second, which is over at once, names the whole operator."""
    first = LayerRow(
        backend="x", precision="fp32", nodes=("cast", "mean"), median_ms=2.0, moved_bytes=1_000_000, role="other"
    )
    second = replace(first, nodes=("mean",), median_ms=0.5, moved_bytes=800_000)
    elsewhere = replace(first, backend="y", median_ms=4.0)
    products, copies = (network(micro.ON_CPU).graph.node for network in (micro.products, micro.copies))
    assert not {node.name for node in products} & {node.name for node in copies}
    found = roofline._roofline([first, second, elsewhere], ["fp32/x"])
    assert found.bytes_per_s == pytest.approx(4e8)
