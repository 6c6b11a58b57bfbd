"""Methods of choosing ranges and rules of placing pairs, compared on a small network."""

import json

from benchmarks.calibration import placement


def test_methods_and_rules_are_compared_on_training_images_that_chose_no_range(
    monkeypatch, prepared, model_path, tmp_path, capsys
):
    monkeypatch.setattr(placement, "SPARE", 32)
    sizes = ["--seeds", "1", "--images", "64", "--held-out", "100", "--out", str(tmp_path / "out.json")]
    measured = ["--prepared", str(prepared.directory), "--models", f"net={model_path}", f"more={model_path}"]
    assert placement.main([*measured, "--methods-only", "more", *sizes]) == 0
    found = json.loads((tmp_path / "out.json").read_text())["rows"]
    assert [row.get("method") for row in found if row["model"] == "more"] == list(placement.METHODS)
    errors = {row["rule"]: row["error"] for row in found if "rule" in row}
    assert all(0 < error < 1 for error in errors.values())
    assert errors["**default**"] < errors["both inputs of an Add"]
    assert errors["**default**"] < errors["average pooling quantized too"]
    assert errors["**default**"] < errors["one scale per weight tensor"]
    assert placement.main(["--table", str(tmp_path / "out.json")]) == 0
    told = capsys.readouterr().out
    assert "| method | net | more | mean error |" in told
    assert "| rule or its opposite | why | net |" in told
