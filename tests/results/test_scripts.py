"""What scripts hand on as parsed JSON is taken, too."""

import pytest

from roundoff.calibration.observing.table import CalibrationTable, Provenance
from roundoff.errors import DataError
from roundoff.results.preparation import KerasExport, Manifest, as_manifest


def test_a_provenance_may_be_a_mapping():
    given: dict[str, str] = {"model_sha256": "abc"}
    table = CalibrationTable({}, given)  # type: ignore[arg-type]
    assert table.provenance == Provenance(model_sha256="abc")


def test_a_manifest_may_be_of_a_parsed_file():
    made = as_manifest({"shape": [8, 8, 3], "classes": [0, 1]})
    assert (made.shape, made.classes) == ([8, 8, 3], [0, 1])
    assert as_manifest(made) is made
    assert isinstance(made, Manifest)
    with pytest.raises(DataError, match="the manifest holds what cannot be"):
        as_manifest({"shape": "wide", "classes": [0]})


def test_figures_of_an_export_are_read_by_the_files_keys():
    figures = KerasExport(relative_error=0.5, keras_sha256="abc")
    assert (figures["relative_error"], figures["keras_sha256"]) == (0.5, "abc")
    with pytest.raises(KeyError):
        figures["accuracy"]
