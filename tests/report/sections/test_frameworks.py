"""What was built here but not run, and what is larger than its FP32, is said beside the sizes."""

from roundoff.report.render.document import Page, Paragraph
from roundoff.report.sections.frameworks import framework_section, size_section
from roundoff.results.message import Words

EN = Words("en")


def notes(run, section):
    page = Page()
    section(page, run.evidence(), EN)
    return [block.text for block in page.blocks if isinstance(block, Paragraph) and block.weight == "note"]


def test_a_backend_that_was_not_run_has_its_reason_and_is_not_called_unrecorded(run):
    (text,) = notes(run, framework_section)
    assert text.startswith("Not run here, so not compared: fp32, tf32, fp16, int8 on tensorrt_rtx (the engine needs")


def test_sizes_of_what_was_only_built_are_explained(run):
    (text,) = notes(run, size_section)
    assert "Built here, but not run" in text
    assert "fp32/tensorrt_rtx" in text
    assert "Larger than their FP32" not in text


def test_an_artifact_larger_than_its_fp32_is_explained(run):
    run.rewrite("int8", lambda content: content["tensorrt_rtx"].update(size_mb=2.58))
    (text,) = notes(run, size_section)
    assert "Larger than their FP32: int8/tensorrt_rtx. An engine holds more than weights" in text


def test_8_bits_larger_than_16_are_explained(run):
    assert not any("16-bit artifact" in text for text in notes(run, size_section))
    run.rewrite("int8", lambda content: content["onnxruntime"].update(size_mb=0.2))
    assert any(
        "Larger than their backend's 16-bit artifact: int8/onnxruntime. What" in t for t in notes(run, size_section)
    )
