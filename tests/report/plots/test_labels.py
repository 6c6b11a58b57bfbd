"""Labels beside points lie on nothing else where there is room; a precision has one colour everywhere."""

from itertools import combinations

from roundoff.report.plots.labels import Box, _box, chosen_offsets
from roundoff.report.plots.style import COLOURS, OTHERS, colour_of

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
