"""layers.csv and profile.json: what is written is what is read."""

import pytest

from roundoff.errors import DataError
from roundoff.results.layers import (
    CellLayers,
    LayerRow,
    Profile,
    Roofline,
    last_profile,
    read_profile,
    read_rows,
    write_profile,
    write_rows,
)
from roundoff.results.message import message

TIMED = LayerRow(
    backend="onnxruntime",
    precision="int8",
    layer="stem_conv;stem_relu",
    nodes=("stem_conv/Conv", "stem_relu/Relu"),
    kind="QLinearConv",
    time_ms=20.5,
    average_ms=2.05,
    median_ms=2.0,
    percentage=12.5,
    macs=1000,
    moved_bytes=64,
    computes_in="int8",
    role="product",
)
UNTIMED = LayerRow(backend="mine", precision="int8", reason="it tells none")


def test_rows_are_read_as_they_were_written(tmp_path):
    write_rows([TIMED, UNTIMED], tmp_path / "layers.csv")
    assert read_rows(tmp_path / "layers.csv") == [TIMED, UNTIMED]


def test_columns_are_called_as_trtexec_calls_them(tmp_path):
    write_rows([TIMED], tmp_path / "layers.csv")
    heading, line = (tmp_path / "layers.csv").read_text().splitlines()
    assert heading == (
        "backend,precision,layer,node,type,timeMs,averageMs,medianMs,percentage,macs,bytes,computes_in,role,reason"
    )
    assert "stem_conv/Conv;stem_relu/Relu,QLinearConv,20.5,2.05,2,12.5,1000,64" in line


def test_without_a_file_there_is_nothing(tmp_path):
    assert read_rows(None) == read_rows(tmp_path / "layers.csv") == []
    assert read_profile(tmp_path / "profile.json") == Profile()


def test_a_profile_is_read_as_it_was_written(tmp_path):
    profile = Profile(
        platform="abc",
        batch_size=32,
        cells={
            "int8/onnxruntime": CellLayers(
                status="measured", device="cpu", runs=9, layers_ms=1.9, whole_ms=2.0, covered=0.95
            ),
            "int8/mine": CellLayers(status="unavailable", reason=message("no_layer_times", backend="Mine")),
        },
        rooflines={"cpu": Roofline(macs_per_s={"int8": 1e11}, bytes_per_s=1e10, measured_by=["fp32/onnxruntime"])},
    )
    write_profile(profile, tmp_path / "profile.json")
    assert read_profile(tmp_path / "profile.json") == profile


def test_a_foreign_profile_is_refused(tmp_path):
    (tmp_path / "profile.json").write_text('{"format": 1, "cells": 3}')
    with pytest.raises(DataError, match="holds what cannot be"):
        read_profile(tmp_path / "profile.json")
    assert last_profile(tmp_path / "profile.json") == Profile()


HEADING = "backend,precision,layer,node,type,timeMs,averageMs,medianMs,percentage,macs,bytes,computes_in,role,reason\n"


@pytest.mark.parametrize("text", ["", "backend\na\n", HEADING + "a,b\n", HEADING + "a,b,c,d,e,slow,,,,,,,,\n"])
def test_what_is_no_table_of_layers_is_refused(tmp_path, text):
    (tmp_path / "layers.csv").write_text(text)
    with pytest.raises(DataError, match=r"layers\.csv cannot be read(.|\n)*dvc repro -f profile"):
        read_rows(tmp_path / "layers.csv")
