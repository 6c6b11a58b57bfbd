"""What calibration over random draws found, in a sentence and a row for each number of images."""

import pytest

from roundoff.report.render.document import Figure, Page, Table
from roundoff.report.sections.draws import draws_section
from roundoff.results.checked import as_json
from roundoff.results.message import Words
from roundoff.results.preparation import Draws, DrawSize
from tests.support.present import texts_in


def size(images, agreement):
    ends = {"agreement_low": agreement - 0.01, "agreement_high": agreement + 0.01}
    return DrawSize(images=images, agreement=agreement, lowest=agreement - 0.005, highest=agreement + 0.005, **ends)


SIZES = [size(160, 0.97), size(320, 0.98), size(640, 0.982)]


def section(run, language="en", **figures):
    found = Draws(draws=20, judged=512, sizes=SIZES, **figures)
    run.rewrite("calibrate", lambda content: content.update(images=320, draws=as_json(found)))
    page = Page()
    draws_section(page, run.evidence(), Words(language))
    return page


@pytest.mark.parametrize(
    ("suffices", "said"),
    [
        ("yes", "320 images suffice: 640 add +0.20 points of agreement (+0.10 … +0.30), less than 0.1."),
        ("no", "320 images do not suffice: 640 add +0.20 points"),
        ("undecided", "Whether 320 images suffice is open: 640 add +0.20 points"),
    ],
)
def test_the_answer_is_a_sentence(run, suffices, said):
    page = section(run, gain=0.002, gain_low=0.001, gain_high=0.003, suffices=suffices)
    text = texts_in(page.blocks)[1]
    assert "With 320 images another draw agrees with FP32 in 97.00\u00a0% to 99.00\u00a0% of the answers." in text
    assert said in text
    (table,) = (block for block in page.blocks if isinstance(block, Table))
    assert len(table.rows) == 3


def test_without_more_images_that_is_said(run):
    assert "no more training images" in texts_in(section(run).blocks)[1]
    assert len(section(run, "ja").blocks) == 4


@pytest.mark.usefixtures("drawn")
def test_the_numbers_of_images_are_on_a_plot(run):
    page = section(run)
    assert [block.name for block in page.blocks if isinstance(block, Figure)] == ["draws"]
    drawn = page.drawings["draws"].svg.decode()
    for text in ("160", "320", "640", "agreement with FP32 (%)", "20 draws"):
        assert f">{text}<" in drawn or text in drawn


def test_where_it_is_off_there_is_no_section(run):
    page = Page()
    draws_section(page, run.evidence(), Words("en"))
    assert page.blocks == []
