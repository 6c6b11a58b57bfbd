"""Labels beside points lie on nothing else where there is room; a precision has one colour everywhere."""

import re
from base64 import b64decode
from itertools import combinations

import numpy as np
import pytest

from roundoff.report.plots.axes import plot_name
from roundoff.report.plots.labels import Box, Point, _box, _grouped, chosen_offsets
from roundoff.report.plots.model import confusion_figure
from roundoff.report.plots.style import COLOURS, OTHERS, SMALL, WIDTH, colour_of
from roundoff.results.message import Words
from tests.support.present import present

FRAME = Box(0, 0, 400, 300)


def placed(places, texts):
    marks = [Box(x - 6, y - 6, x + 6, y + 6) for x, y in places]
    lines = [Box(x - 1, y - 40, x + 1, y + 40) for x, y in places]
    offsets = chosen_offsets(places, texts, marks, lines, FRAME)
    return marks, [_box(place, offset, text) for place, offset, text in zip(places, offsets, texts, strict=True)]


def test_labels_of_points_at_one_height_do_not_lie_on_each_other():
    marks, boxes = placed([(200.0 + 9 * n, 150.0) for n in range(5)], [f"int8 / backend {n}" for n in range(5)])
    assert all(one.overlap(other) == 0 for one, other in combinations(boxes, 2))
    assert all(box.overlap(mark) == 0 for box in boxes for mark in marks)
    assert all(box.outside(FRAME) == 0 for box in boxes)


def test_a_label_at_the_right_edge_is_written_to_the_left():
    _, (box,) = placed([(390.0, 100.0)], ["fp32 / onnxruntime"])
    assert box.right < 390


def test_every_precision_has_a_colour_of_its_own_whatever_stands_beside_it():
    assert len(set(COLOURS.values())) == len(COLOURS)
    assert colour_of("int8") == COLOURS["int8"]
    assert colour_of("mine") == colour_of("mine")
    assert colour_of("mine") in OTHERS


def test_a_label_is_nearer_to_its_own_point_than_to_any_other():
    places = [(100.0, 150.0), (130.0, 150.0), (150.0, 152.0)]
    offsets = chosen_offsets(places, ["fp32 / litert", "fp16 / litert", "int8 / x"], [], [], FRAME)
    boxes = [_box(place, offset, "fp32 / litert") for place, offset in zip(places, offsets, strict=True)]
    for number, box in enumerate(boxes):
        assert min(range(3), key=lambda k: box.distance(*places[k])) == number


def test_labels_lie_off_bars_where_there_is_room():
    bars = [Box(210, 100, 214, 200)]
    (offset,) = chosen_offsets([(200.0, 150.0)], ["fp32 / onnxruntime"], [], bars, FRAME)
    assert _box((200.0, 150.0), offset, "fp32 / onnxruntime").overlap(bars[0]) == 0


def test_points_at_one_place_share_a_label():
    points = [Point(1.0, 0.0, name, (1.0, 1.0), (0.0, 0.0)) for name in ("fp16 / litert", "fp32 / litert")]
    far = Point(9.0, 0.0, "int8", (9.0, 9.0), (0.0, 0.0))
    grouped = _grouped([*points, far], [(100.0, 50.0), (103.0, 50.0), (300.0, 50.0)])
    assert [one.text for one in grouped] == ["fp16 / litert\nfp32 / litert", "int8"]


def test_letters_of_every_plot_are_legible_on_a_telephone(whole_report):
    """361 pixels are what a page of 390 has for a plot; less than 10 pixels a reader called too small."""
    assert SMALL / 72 * (361 / WIDTH) >= 10
    for source in re.findall(
        r'src="data:image/svg\+xml;base64,([^"]+)"', (whole_report / "report.html").read_text("utf-8")
    ):
        width = float(present(re.search(rb'width="([\d.]+)pt"', b64decode(source)))[1]) / 72
        assert width == pytest.approx(WIDTH, abs=0.01)


def test_a_cell_that_multiplies_in_another_type_is_not_called_by_its_name_alone(run):
    told = {"layer_types": {"float32": 10}}
    run.rewrite("fp16", lambda content: content["litert"]["numerics"].update(told))
    evidence = run.evidence()
    assert plot_name(present(evidence.cell("fp16/litert")), Words("en")) == "fp16 (in float32) / litert"
    assert plot_name(present(evidence.cell("fp16/onnxruntime")), Words("en")) == "fp16 / onnxruntime"


@pytest.mark.parametrize(("classes", "turned"), [(["0", "1"], False), (["airplane", "cat"], True)])
def test_short_names_of_classes_stand_upright(classes, turned):
    drawing = confusion_figure("int8", np.eye(2, dtype=np.int64), classes, Words("en"))
    below_the_matrix = (
        present(drawing).svg.decode().split('id="matplotlib.axis_1"')[1].split('id="matplotlib.axis_2"')[0]
    )
    assert ("rotate(-90)" in below_the_matrix) == turned
