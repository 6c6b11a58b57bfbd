"""What `roundoff ship` reads of a project: nothing in it is run, and what cannot be is refused in words."""

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
