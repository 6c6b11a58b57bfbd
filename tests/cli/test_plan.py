"""`roundoff plan`."""

import json

import pytest

from roundoff.cli import main
from roundoff.results.metrics import write_metrics
from tests.support.measured import cell, metrics


def test_the_table_is_aligned_and_names_its_assumptions(capsys):
    assert main(["plan", "--accuracy", "0.9", "--flips", "0.01", "--flips", "0.05"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "The target: verdict.min_relative_accuracy=0.99. FP32's accuracy: 90.00 %."
    table = [line for line in lines if line.startswith("  ")]
    assert table[1].split() == ["(assumed)", "0.50", "%", "0.50", "%", "1,467", "1,467"]
    assert len({len(line) for line in table}) == 1
    assert any(line.startswith("Flips are assumed") for line in lines)


def test_the_last_run_is_the_pilot_and_settings_move_the_target(tmp_path, capsys):
    write_metrics(metrics(fp32__ort=cell(), int8__ort=cell(30, 10)), tmp_path / "metrics")
    place = ["--project", str(tmp_path), "--json"]
    assert main(["plan", *place]) == 0
    loose = json.loads(capsys.readouterr().out)
    assert main(["plan", "verdict.min_relative_accuracy=0.995", *place]) == 0
    strict = json.loads(capsys.readouterr().out)
    assert (loose["images"][0]["cell"], loose["available"]) == ("int8/ort", 10_000)
    assert strict["most_images"] > loose["most_images"] > 100


def test_enough_images_are_said_to_be(tmp_path, capsys):
    write_metrics(metrics(fp32__ort=cell(), int8__ort=cell(3, 1)), tmp_path / "metrics")
    assert main(["plan", "--project", str(tmp_path)]) == 0
    assert "The 10,000 test images that there are decide" in capsys.readouterr().out


def test_before_any_measurement_the_validated_accuracy_counts(tmp_path, capsys):
    (tmp_path / "metrics").mkdir()
    content = {"model": "m", "val_accuracy": 0.875, "epochs": 3, "validation_images": 100, "loss": 0.1}
    (tmp_path / "metrics/train.json").write_text(json.dumps(content))
    assert main(["plan", "--project", str(tmp_path)]) == 0
    assert "FP32's accuracy: 87.50 %" in capsys.readouterr().out


def test_nothing_to_plan_from(tmp_path, capsys):
    assert main(["plan", "--project", str(tmp_path)]) == 2
    assert "roundoff plan --accuracy 0.92" in capsys.readouterr().err


def test_a_share_is_asked_for(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["plan", "--accuracy", "92"])
    assert "92 is not a share" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("paths=null", "paths is no section"),
        ("paths=3", "paths is no section"),
        ("~paths", "paths is no section"),
        ("paths.timings=null", "wrong type of paths.timings"),
        ("paths.timings=[a]", "wrong type of paths.timings"),
        ("paths.timings=${nowhere}", "timings leads to no value"),
        ("~verdict", "verdict is no section"),
        ("hydra=null", "the configuration cannot be composed"),
    ],
)
def test_settings_that_cannot_be_are_refused(tmp_path, capsys, setting, named):
    write_metrics(metrics(fp32__ort=cell(), int8__ort=cell(30, 10)), tmp_path / "metrics")
    assert main(["plan", "--project", str(tmp_path), setting]) == 2
    assert f"error: {named}" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"a: [", b"a: \xff", b""])
def test_a_projects_own_conf_that_cannot_be_read_is_refused(tmp_path, capsys, content):
    (tmp_path / "stages").mkdir()
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/config.yaml").write_bytes(content)
    assert main(["plan", "--project", str(tmp_path), "--accuracy", "0.9"]) == 2
    assert capsys.readouterr().err.startswith("error: ")
