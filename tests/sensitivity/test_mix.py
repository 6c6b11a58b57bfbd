from dataclasses import replace

import pytest

from roundoff.calibration.minmax import MinMax
from roundoff.calibration.observing.calibrate import calibrate
from roundoff.errors import ConfigError
from roundoff.precision.fp32 import Fp32
from roundoff.precision.int8 import Int8
from roundoff.results.layers import LayerRow, Profile, write_profile, write_rows
from roundoff.sensitivity.mix import Mix
from roundoff.verdict.requirements import Target

CALIBRATOR = MinMax(images=64, held_out=32)
LAYERS = "layers.csv"
INT8, FEW = Int8(), Mix(images=64, verify_images=64)


@pytest.fixture
def chosen(model_path, prepared, tmp_path):
    path = tmp_path / "table.json"
    calibrate(CALIBRATOR, model_path, prepared).table.save(path)

    def choose(mix, precision=INT8, **target):
        timed = (tmp_path / LAYERS, tmp_path / "profile.json")
        return mix.run("int8_mixed", precision, Target(**target), model_path, path, prepared, CALIBRATOR, *timed)

    return choose


def test_what_the_stage_is_to_write_is_not_read(chosen):
    found = chosen(FEW, Int8(exclude_nodes="models/mixed/int8_mixed.json"))
    assert found.precision == "int8_mixed"


def test_images_are_as_many_as_asked_for(chosen):
    found = chosen(Mix(images=64, verify_images=130))
    assert (found.images, found.verified_images) == (64, 130)


def test_of_too_few_images_three_quarters_verify(chosen):
    found = chosen(Mix(images=512, verify_images=2048))
    assert (found.images, found.verified_images) == (51, 151)


def test_the_verdicts_target_is_asked_for(chosen):
    assert chosen(FEW, min_agreement=0.6, min_relative_accuracy=None).least_agreement == 0.6


def test_times_of_layers_are_the_cost_where_a_backend_is_named(chosen, tmp_path):
    """The second Conv gains nearly all of the time by its 8 bits, so that it is what stays in them."""
    rows = [
        LayerRow(backend="cpu", precision=precision, nodes=(node,), average_ms=time)
        for node, wide, narrow in (("conv1", 0.011, 0.01), ("projection", 0.011, 0.01), ("conv2", 0.9, 0.1))
        for precision, time in (("fp32", wide), ("int8", narrow))
    ]
    write_rows(rows, tmp_path / LAYERS)
    write_profile(Profile(batch_size=1), tmp_path / "profile.json")
    found = chosen(replace(FEW, cost_backend="cpu"))
    assert found.cost_unit.startswith("ns that int8 gains on cpu")
    share = {step.added: step.cost_share for step in found.steps}
    assert 0 < max(share.values()) < 0.01


def test_times_that_are_not_there_are_asked_for(chosen):
    with pytest.raises(ConfigError, match=r"mix.cost_backend=cpu has no times"):
        chosen(replace(FEW, cost_backend="cpu"))


def test_a_precision_that_quantizes_nothing_is_refused(chosen):
    with pytest.raises(ConfigError, match=r"mixed.int8_mixed is not a precision of which something can be left wide"):
        chosen(Mix(), Fp32())


@pytest.mark.parametrize("setting", [{"images": 10}, {"verify_images": 0}, {"seed": -1}, {"cost_backend": " "}])
def test_what_cannot_be_is_refused(setting):
    with pytest.raises(ConfigError, match=f"mix.{next(iter(setting))}"):
        Mix(**setting)
