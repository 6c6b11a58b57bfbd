"""A precision that leaves wide what a file says."""

import json

import pytest

from roundoff.errors import BuildError
from roundoff.graph.queries import model_hash
from roundoff.precision.base import Grid
from roundoff.precision.fp8 import Fp8
from roundoff.precision.int8 import Int8
from roundoff.precision.int8_fp16 import Int8Fp16
from roundoff.precision.rewriting.kept import kept_notes
from roundoff.results.mixed import Mixed, Step, write_mixed
from tests.support.networks import residual_network, table_of


def choice(path, nodes=("conv2",), passes=True, model=None):
    made = Mixed(
        precision="int8_mixed",
        graph_sha256=model_hash(model or residual_network()),
        grid="uint8",
        least_agreement=0.99,
        passes=passes,
        chosen=0,
        nodes=list(nodes),
        cost_unit="multiply-adds",
        steps=[Step(cost=0, cost_share=0, expected_error=0.1)],
        images=64,
        images_sha256="a",
        verified_images=64,
        verified_images_sha256="b",
    )
    write_mixed(made, path)
    return str(path)


@pytest.mark.parametrize("kind", [Int8, Int8Fp16, Fp8])
def test_a_file_leaves_wide_what_its_names_would(tmp_path, kind):
    model = residual_network()
    by_file = kind(exclude_nodes=choice(tmp_path / "c.json")).convert(model, Grid(), table_of(model))
    by_name = kind(exclude_nodes=["conv2"]).convert(model, Grid(), table_of(model))
    assert by_file.graph == by_name.graph


@pytest.mark.parametrize(("passes", "code"), [(True, "kept_by_choice"), (False, "kept_by_best_choice")])
def test_the_row_tells_what_was_chosen_and_whether_it_passes(tmp_path, passes, code):
    model = residual_network()
    made = Int8(exclude_nodes=choice(tmp_path / "c.json", passes=passes)).convert(model, Grid(), table_of(model))
    assert [(note.code, note.values["names"]) for note in kept_notes(made)] == [(code, ["conv2"])]


def test_names_of_the_configuration_are_not_told(tmp_path):
    model = residual_network()
    assert kept_notes(Int8(exclude_nodes=["conv2"]).convert(model, Grid(), table_of(model))) == []


def test_the_choice_for_another_graph_is_refused(tmp_path):
    path, model = choice(tmp_path / "c.json", model=residual_network(seed=1)), residual_network()
    with pytest.raises(BuildError, match=r"chosen for another graph(.|\n)*dvc repro -f mix"):
        Int8(exclude_nodes=path).convert(model, Grid(), table_of(model))


def test_a_choice_that_was_not_made_is_told(tmp_path):
    model = residual_network()
    with pytest.raises(BuildError, match=r"has not been chosen(.|\n)*roundoff run mix"):
        Int8(exclude_nodes=str(tmp_path / "c.json")).convert(model, Grid(), table_of(model))


def test_the_file_is_plain_json(tmp_path):
    assert json.loads((tmp_path / choice(tmp_path / "c.json")).read_text())["nodes"] == ["conv2"]
