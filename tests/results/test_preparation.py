"""What the stages before `evaluate` say: the published files hold just the keys of their types."""

from dataclasses import fields

import pytest

from roundoff.results.checked import as_json, checked
from roundoff.results.preparation import ExportMetrics, KerasExport, SourceExport, TrainedMetrics
from roundoff.system.files import read_json
from tests.support.places import ROOT


@pytest.mark.parametrize(("name", "kind"), [("train", TrainedMetrics), ("export", KerasExport)])
def test_a_published_file_is_written_as_it_was_read(name, kind):
    published = read_json(ROOT / f"metrics/{name}.json")
    assert set(published) == {each.name for each in fields(kind)}
    assert as_json(checked(kind, published, f"{name}.json")) == published


def test_an_export_names_what_it_was_made_of():
    graph = ExportMetrics(images=9, onnx_sha256="b")
    made = SourceExport(**vars(graph), source_sha256="a")
    assert as_json(made) == as_json(graph) | {"source_sha256": "a"}
