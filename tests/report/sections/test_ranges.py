"""An 8-bit cell that does not pass says which tensor was badly calibrated, and what mends it; no other cell does."""

import numpy as np
import pytest

from roundoff.report.render.document import Bullets, Page, Paragraph
from roundoff.report.sections.answer import notes_section
from roundoff.report.sections.changes import changes_section, quantized_cells
from roundoff.report.sections.notes import notes
from roundoff.results.message import Words

EN, JA = Words("en"), Words("ja")
NOISE = """tensor,kind,sqnr_db,low,high,quantized,clipped_percent,asymmetric_sqnr_db,asymmetric_low,asymmetric_high,\
asymmetric_quantized,asymmetric_clipped_percent
first,activation,3.0,-1,1,True,40.0,35.0,-1,2,True,0.1
second,activation,30.0,0,4,True,0.0,9.5,0,2,True,12.5
third,activation,31.0,0,4,True,0.0,12.0,0,3,True,2.5
wide,activation,1.0,0,9,False,50.0,1.0,0,9,False,50.0
kernel,weight,40.0,-1,1,True,,,,,True,
"""


@pytest.fixture
def calibrated(run):
    """A run whose int8/onnxruntime fails and was built from ranges for an asymmetric grid; percentile chose them."""
    run.sources.noise.write_text(NOISE)
    run.rewrite("calibrate", lambda content: content.update(method="percentile", max_clipped_percent=1.0))
    built(run, "onnxruntime", "asymmetric")
    return run


def kept(low, high):
    return {"relative_accuracy": high, "relative_accuracy_low": low, "relative_accuracy_high": high}


def built(run, backend, ranges, **facts):
    def change(content):
        content[backend].update(weights="int8", ranges=ranges, **facts)
        content[backend]["accuracy"].update(kept(0.35, 0.45))

    run.rewrite("int8", change)


def said(run, words=EN):
    return [text for text in notes(run.evidence(), words) if "first" in text or "second" in text or "kernel" in text]


def test_the_worst_tensor_is_named_with_what_is_clipped_and_the_setting(calibrated):
    assert len(said(calibrated)) == 1
    text = said(calibrated)[0]
    assert text.startswith("int8/onnxruntime: the range that calibration chose for the tensor second, 0 … 2.00, clips")
    assert "12.50" in text
    assert "9.50 dB above the noise" in text
    assert "As bad as it: 1 more" in text
    assert "set calibrate=mse" in text
    assert "instead of percentile" in text


def test_it_stands_in_what_is_read_first_in_both_languages(calibrated):
    for words in (EN, JA):
        page = Page()
        notes_section(page, calibrated.evidence(), words)
        items = [item for block in page.blocks if isinstance(block, Bullets) for item in block.items]
        assert any("second" in item and "calibrate=mse" in item for item in items)


def test_a_symmetric_grid_has_its_own_figures(calibrated):
    built(calibrated, "litert", "symmetric")
    assert any(text.startswith("int8/litert") and "tensor first" in text for text in said(calibrated))


def test_where_the_default_chose_the_tensor_is_to_be_left_out(calibrated):
    calibrated.rewrite("calibrate", lambda content: content.update(method="mse"))
    assert "precisions.int8.exclude_nodes" in said(calibrated)[0]


def test_a_share_that_is_allowed_is_not_said(calibrated):
    calibrated.sources.noise.write_text("\n".join(NOISE.splitlines()[:2]) + "\n")
    assert said(calibrated) == []
    calibrated.rewrite("calibrate", lambda content: content.update(max_clipped_percent=0.05))
    assert "clips 0.10" in said(calibrated)[0]


def test_cells_that_pass_or_have_ranges_of_their_own_say_nothing(calibrated):
    calibrated.rewrite("int8", lambda content: content["onnxruntime"].update(ranges=None))
    assert said(calibrated) == []
    built(calibrated, "onnxruntime", "asymmetric")
    calibrated.rewrite("int8", lambda content: content["onnxruntime"]["accuracy"].update(kept(0.995, 1.0)))
    assert said(calibrated) == []


def test_the_noise_of_integers_is_not_that_of_8_bit_floats(calibrated):
    built(calibrated, "onnxruntime", "symmetric")
    calibrated.rewrite("int8", lambda content: content["onnxruntime"].update(weights="float8_e4m3fn"))
    assert "clips 40.00" in said(calibrated)[0]
    assert "dB" not in said(calibrated)[0]


def test_a_run_without_these_columns_says_nothing(run):
    built(run, "onnxruntime", None)
    assert not [text for text in notes(run.evidence(), EN) if "calibration chose" in text]


def test_every_8_bit_cell_is_compared_the_worst_first(run):
    answers = np.load(run.sources.predictions / "fp32/onnxruntime.npy")
    answers[::2] = np.roll(answers[::2], 1, axis=1)
    run.answer("int8/litert", answers)
    run.rewrite("fp16", lambda content: content["onnxruntime"].update(weights="int8"))
    assert [cell.key for cell in quantized_cells(run.evidence())] == [
        "int8/litert",
        "int8/onnxruntime",
        "fp16/onnxruntime",
    ]
    page = Page()
    changes_section(page, run.evidence(), EN, examples=9)
    told = [block.text.split(" and ")[0] for block in page.blocks if isinstance(block, Paragraph)]
    assert [text for text in told if "/" in text] == ["int8/litert", "int8/onnxruntime", "fp16/onnxruntime"]
