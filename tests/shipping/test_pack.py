"""`roundoff ship` over a folder that is there, and with files of several runs."""

import shutil

import pytest

from roundoff.cli import main
from roundoff.shipping.manifest import NAME
from roundoff.shipping.verify import verify
from roundoff.system.files import read_json, write_json


def ship(project, directory, *further):
    """The exit code of `roundoff ship`."""
    return main(["ship", str(directory), "--project", str(project), *further])


@pytest.mark.parametrize("name", ["README.md", "LICENSE", "labels.txt", "model.onnx"])
def test_what_was_changed_after_it_was_shipped_is_not_replaced(copy, small, capsys, name):
    (copy / name).write_text("mine")
    assert ship(small, copy) == 2
    assert f"is not replaced: what is there did not come from this stage\n  received: {name}" in capsys.readouterr().err
    assert (copy / name).read_text() == "mine"


def test_a_link_in_the_place_of_a_shipped_file_is_not_replaced(copy, small, tmp_path, capsys):
    (copy / "LICENSE").rename(tmp_path / "terms")
    (copy / "LICENSE").symlink_to(tmp_path / "terms")
    assert ship(small, copy) == 2
    assert "received: LICENSE" in capsys.readouterr().err
    assert (copy / "LICENSE").is_symlink()


def test_a_changed_file_inside_a_repository_is_not_replaced(small, tmp_path, capsys):
    assert ship(small, tmp_path / "it", "--layout", "triton") == 0
    config = tmp_path / "it/int8_ort/config.pbtxt"
    config.write_text(config.read_text() + "# two instances\n")
    assert ship(small, tmp_path / "it", "--layout", "triton") == 2
    assert "received: int8_ort/config.pbtxt" in capsys.readouterr().err
    assert config.read_text().endswith("# two instances\n")


def test_what_lacks_a_file_since_it_was_shipped_is_replaced(copy, small):
    (copy / "LICENSE").unlink()
    assert ship(small, copy) == 0
    assert "LICENSE" in verify(copy).files


def test_a_changed_ship_json_is_not_replaced(copy, small):
    (copy / NAME).write_text((copy / NAME).read_text() + "\n")
    assert ship(small, copy) == 2


def change_images(project):
    path = project / "data/prepared/manifest.json"
    write_json(path, read_json(path) | {"seed": 7})


def change_table(project):
    path = project / "models/calibration/table.json"
    table = read_json(path)
    table["ranges"]["logits"]["high"] = 0.5
    write_json(path, table)


def break_table(project):
    (project / "models/calibration/table.json").write_text("{")


def break_graph(project):
    (project / "models/onnx/model.onnx").write_bytes(b"no graph")


@pytest.mark.parametrize(
    ("change", "cell", "named"),
    [
        (change_images, "int8/ort", "data.json of "),
        (change_table, "int8/ort", "calibration.json of "),
        (break_table, "int8/ort", "calibration table calibration.json"),
        (break_graph, "fp32/copying", "source.onnx"),
    ],
)
def test_files_of_several_runs_are_told_apart_with_a_fix_that_helps(project, tmp_path, capsys, change, cell, named):
    change(project)
    assert ship(project, tmp_path / "it", "--cell", cell) == 2
    said = capsys.readouterr().err
    assert named in said
    assert "dvc checkout" in said
    assert "dvc repro" in said
    assert ".partial" not in said
    assert "ship it again" not in said
    shutil.rmtree(project)
    assert list(tmp_path.iterdir()) == []
