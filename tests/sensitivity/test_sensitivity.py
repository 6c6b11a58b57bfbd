import hashlib
from dataclasses import replace

import onnx
import pytest

from roundoff.calibration.minmax import MinMax
from roundoff.calibration.observing.calibrate import calibrate
from roundoff.errors import ConfigError
from roundoff.precision.base import Grid
from roundoff.precision.fp32 import Fp32
from roundoff.precision.int8 import Int8
from roundoff.results.sensitivity import read_effects, read_whole, write_effects, write_whole
from roundoff.sensitivity.held_out import unused_images
from roundoff.sensitivity.sensitivity import SensitivityStage

ON = SensitivityStage(images=128, left_wide=2)
CALIBRATOR = MinMax(images=64, held_out=32)


@pytest.fixture
def table(model_path, prepared, tmp_path):
    path = tmp_path / "table.json"
    calibrate(CALIBRATOR, model_path, prepared).table.save(path)
    return path


def test_every_tensor_in_8_bits_has_a_row(model_path, prepared, table):
    found = ON.run(Int8(), model_path, table, prepared, CALIBRATOR)
    expected = Int8().quantized_tensors(onnx.load(model_path), Grid())
    stage = replace(ON, symmetric=True).run(Int8(), model_path, table, prepared, CALIBRATOR)
    assert {effect.source for effect in stage.effects} == expected
    assert found.whole.images == 128
    assert (found.whole.grid, stage.whole.grid) == ("uint8", "int8, symmetric")


def test_what_was_measured_on_is_told_by_its_hash(model_path, prepared, table):
    found = ON.run(Int8(), model_path, table, prepared, CALIBRATOR)
    images = unused_images(prepared, CALIBRATOR, 128)
    assert found.whole.images_sha256 == hashlib.sha256(images.tobytes()).hexdigest()


def test_off_it_measures_nothing(model_path, prepared, table):
    for stage, precision in ((SensitivityStage(), Int8()), (ON, Fp32())):
        found = stage.run(precision, model_path, table, prepared, CALIBRATOR)
        assert (found.effects, found.whole.images) == ([], 0)


def test_a_graph_of_which_nothing_is_quantized_has_a_warning(model_path, prepared, table, caplog):
    nothing = Int8(exclude_types=["Conv", "Gemm"])
    assert ON.run(nothing, model_path, table, prepared, CALIBRATOR).effects == []
    assert "nothing is left to be quantized" in caplog.text


def test_what_is_written_is_read(model_path, prepared, table, tmp_path):
    found = ON.run(Int8(), model_path, table, prepared, CALIBRATOR)
    write_effects(found.effects, tmp_path / "sensitivity.csv")
    write_whole(found.whole, tmp_path / "sensitivity.json")
    read = read_effects(tmp_path / "sensitivity.csv")
    assert [effect.source for effect in read] == [effect.source for effect in found.effects]
    assert read[0].error == pytest.approx(found.effects[0].error, rel=1e-5)
    assert read[-1].without_error is None
    assert read_whole(tmp_path / "sensitivity.json") == found.whole


def test_of_nothing_the_heading_is_written(tmp_path):
    write_effects([], tmp_path / "sensitivity.csv")
    assert (tmp_path / "sensitivity.csv").read_text().startswith("source,kind,layer,node,rank")
    assert read_effects(tmp_path / "sensitivity.csv") == []


@pytest.mark.parametrize("setting", [{"images": 10}, {"images": -1}, {"left_wide": -1}, {"seed": -1}])
def test_what_cannot_be_is_refused(setting):
    with pytest.raises(ConfigError, match=f"sensitivity.{next(iter(setting))}"):
        SensitivityStage(**setting)
