"""What the stages before `evaluate` say: the published files hold just the keys of their types."""

from dataclasses import fields

import pytest

from roundoff.errors import DataError
from roundoff.results.checked import as_json, checked
from roundoff.results.preparation import (
    CalibrationMetrics,
    ClassCounts,
    ExportMetrics,
    KerasExport,
    Manifest,
    SourceExport,
    TrainedMetrics,
    manifest_from,
)
from roundoff.system.files import read_json
from tests.support.places import ROOT


@pytest.mark.parametrize(
    ("name", "kind"), [("train", TrainedMetrics), ("export", KerasExport), ("calibrate", CalibrationMetrics)]
)
def test_a_published_file_is_written_as_it_was_read(name, kind):
    published = read_json(ROOT / f"metrics/{name}.json")
    assert set(published) == {each.name for each in fields(kind)}
    assert as_json(checked(kind, published, f"{name}.json")) == published


def test_an_export_names_what_it_was_made_of():
    graph = ExportMetrics(images=9, onnx_sha256="b")
    made = SourceExport(**vars(graph), source_sha256="a")
    assert as_json(made) == as_json(graph) | {"source_sha256": "a"}


def test_a_manifest_reads_as_it_was_written_whatever_its_classes_are_called():
    counts = ClassCounts(train={"batch_1": 2, "batches": 3}, test={"batch_1": 1, "batches": 1})
    source: dict[str, object] = {"dataset": "mine", "batch_2": [1, None]}
    manifest = Manifest(classes=["batch_1", "batches"], shape=[8, 8, 3], class_counts=counts, source=source)
    assert manifest_from(as_json(manifest), "manifest.json") == manifest
    assert (manifest.names, manifest.dataset) == (("batch_1", "batches"), "mine")


def test_a_manifest_without_classes_is_named():
    with pytest.raises(DataError, match=r"data/manifest\.json holds what cannot be(.|\n)*classes"):
        manifest_from({"shape": [8, 8, 3]}, "data/manifest.json")
