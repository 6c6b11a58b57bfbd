"""A trained model is the one that its description names, or refused."""

import json

import pytest

from roundoff.errors import DataError
from roundoff.model.base import Saved
from roundoff.training.trained import describe, keras_form, read_trained


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model.keras").write_bytes(b"weights")
    describe(tmp_path, Saved(form="keras", file="model.keras"))
    return tmp_path


def rewrite(folder, **change):
    path = folder / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))


def test_what_was_described_is_read(folder):
    assert (read_trained(folder).form, read_trained(folder).path) == ("keras", folder / "model.keras")
    assert keras_form(folder)[0] == folder / "model.keras"


def test_a_description_of_before_has_no_hash(folder):
    (folder / "model.json").write_text('{"format": 1, "form": "keras", "file": "model.keras"}')
    assert read_trained(folder).path == folder / "model.keras"


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"form": "pickle"},
        {"form": "onnx"},
        {"file": "../../model.keras"},
        {"file": "model.json"},
        {"file": 5},
        {"sha256": "0" * 64},
        {"classes": "text"},
        {"preprocessing": []},
    ],
    ids=str,
)
def test_another_description_is_refused(folder, change):
    rewrite(folder, **change)
    with pytest.raises(DataError, match="holds no trained model") as refused:
        read_trained(folder)
    assert refused.value.fix == "run it again: `dvc repro -f train`"


def test_another_file_is_refused(folder):
    (folder / "model.keras").write_bytes(b"others")
    with pytest.raises(DataError, match="another SHA-256"):
        read_trained(folder)
    (folder / "model.keras").unlink()
    with pytest.raises(DataError, match=r"no model\.keras"):
        read_trained(folder)
