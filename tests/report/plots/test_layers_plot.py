"""The bars of what a run consists of."""

from xml.etree import ElementTree

from roundoff.profiling.parts import PARTS, Breakdown, Part
from roundoff.report.plots.layers import layers_figure
from roundoff.results.message import Words


def _cell(name, ms):
    return Breakdown(name, ms, 1.0, {part: Part(ms / len(PARTS)) for part in PARTS}, None)


def _axes(cells):
    drawing = layers_figure(cells, Words("en"))
    assert drawing is not None
    tree = ElementTree.fromstring(drawing.svg)
    return [each.get("id") for each in tree.iter() if str(each.get("id")).startswith("axes_")]


def test_each_backend_has_an_axis_of_its_own():
    gpu, cpu = [_cell("fp32/tensorrt", 0.1), _cell("fp16/tensorrt", 0.1)], [_cell("fp32/onnxruntime", 60.0)]
    assert _axes(gpu) == ["axes_1"]
    assert _axes([*gpu, *cpu]) == ["axes_1", "axes_2"]


def test_there_is_none_of_no_cell():
    assert layers_figure([], Words("en")) is None
