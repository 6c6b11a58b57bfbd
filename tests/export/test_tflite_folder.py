"""The float model for LiteRT is the one that export wrote, or refused."""

import pytest

from roundoff.errors import DataError
from roundoff.export.tflite_folder import DESCRIPTION, MODEL, WHY_NONE, describe, float_tflite


def test_the_model_that_export_described_is_read(tmp_path):
    (tmp_path / MODEL).write_bytes(b"model")
    assert float_tflite(tmp_path)[0] == tmp_path / MODEL  # as folders of before
    describe(tmp_path)
    assert float_tflite(tmp_path)[0] == tmp_path / MODEL


def test_another_model_is_refused(tmp_path):
    (tmp_path / MODEL).write_bytes(b"model")
    describe(tmp_path)
    (tmp_path / MODEL).write_bytes(b"other")
    with pytest.raises(DataError, match="is not the float model that export wrote"):
        float_tflite(tmp_path)


@pytest.mark.parametrize(("file", "content"), [(DESCRIPTION, "{}"), (DESCRIPTION, "[]"), (DESCRIPTION, "x")])
def test_a_broken_description_is_refused(tmp_path, file, content):
    (tmp_path / MODEL).write_bytes(b"model")
    (tmp_path / file).write_text(content)
    with pytest.raises(DataError, match=r"model\.json"):
        float_tflite(tmp_path)


@pytest.mark.parametrize("content", ["{}", "[]", '{"code": 5}', '{"code": "x", "values": []}'])
def test_a_broken_reason_is_refused(tmp_path, content):
    (tmp_path / WHY_NONE).write_text(content)
    with pytest.raises(DataError, match=r"none\.json"):
        float_tflite(tmp_path)
