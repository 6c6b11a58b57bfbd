"""What `roundoff ship` reads of a project: nothing in it is run, and what cannot be is refused in words."""

import os
import sys

import pytest

from roundoff.cli import main
from roundoff.shipping.verify import verify
from roundoff.system.files import read_json, write_json


def shipped(project, tmp_path):
    """The exit code of `roundoff ship`."""
    return main(["ship", str(tmp_path / "it"), "--project", str(project), "--cell", "int8/ort"])


@pytest.mark.parametrize("name", ["planted.Backend", "planted:Backend", "no such name", "os.system"])
def test_what_a_sidecar_names_is_not_imported(project, tmp_path, monkeypatch, name):
    (tmp_path / "path").mkdir()
    (tmp_path / "path/planted.py").write_text(f"open({str(tmp_path / 'seen')!r}, 'w')\n")
    monkeypatch.syspath_prepend(tmp_path / "path")
    path = project / "models/engines/int8/ort/cell.json"
    told = read_json(path)
    told["backend"]["type"] = name
    write_json(path, told)
    assert shipped(project, tmp_path) == 0
    assert verify(tmp_path / "it").engine == "model.onnx"
    assert "planted" not in sys.modules
    assert not (tmp_path / "seen").exists()


BROKEN_SETTINGS = {
    "latin-1": b"seed: caf\xe9\n",
    "depth": b"[" * 3000,
    "list": b"- 1\n",
    "nothing": b"paths:\n",
    "word": b"paths: abc\n",
    "list of paths": b"paths: [a]\n",
    "path of a list": b"paths: {engines: [a]}\n",
    "path of nothing": b"paths: {engines: }\n",
}


@pytest.mark.parametrize("content", BROKEN_SETTINGS.values(), ids=BROKEN_SETTINGS)
def test_settings_that_name_no_paths_are_refused(project, tmp_path, capsys, content):
    (project / "params.yaml").write_bytes(content)
    assert shipped(project, tmp_path) == 2
    assert "params.yaml" in capsys.readouterr().err
    assert not (tmp_path / "it").exists()


def test_a_project_with_its_own_paths_is_shipped(project, tmp_path, capsys):
    (project / "models/engines").rename(project / "built")
    assert shipped(project, tmp_path) == 2
    (project / "params.yaml").write_text("seed: 0\npaths: {engines: built, mine: [1]}\n")
    assert shipped(project, tmp_path) == 0


@pytest.mark.parametrize(
    "place", ["params.yaml", "models/calibration/table.json", "data/prepared/manifest.json", "LICENSE"]
)
def test_nothing_waits_for_a_pipe(project, tmp_path, capsys, place):
    (project / place).unlink(missing_ok=True)
    os.mkfifo(project / place)
    assert shipped(project, tmp_path) == 2
    assert "error: " in capsys.readouterr().err
    assert not (tmp_path / "it").exists()


@pytest.mark.parametrize("content", [[], {}, {"ort": 3}, {"ort": {}}, {"format": 7, "ort": {"status": "built"}}, "it"])
def test_what_a_build_told_is_refused_where_it_is_nothing(project, tmp_path, capsys, content):
    write_json(project / "metrics/build-int8.json", content)
    assert shipped(project, tmp_path) == 2
    assert "build-int8.json" in capsys.readouterr().err
    (project / "metrics/build-int8.json").unlink()
    assert shipped(project, tmp_path) == 2
    assert "build-int8.json" in capsys.readouterr().err
