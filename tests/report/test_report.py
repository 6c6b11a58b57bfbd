"""The whole report: files, order, tables, plots; the same input gives the same bytes."""

import csv
import io
import re

import numpy as np
import pytest
from PIL import Image

from roundoff.errors import ConfigError, DataError
from roundoff.report.plots.dvc_csv import SPEED_COLUMNS, csv_files
from roundoff.report.plots.model import confusion_figure, flips_figure
from roundoff.report.render.document import Details, Gallery, Page, Paragraph, Table
from roundoff.report.report import Report
from roundoff.report.sections.changes import changes_section, confusion, quantized_cells
from roundoff.report.sections.precision import precision_section
from roundoff.report.sections.training import noise_section
from roundoff.results.cell import Batch, CellMetrics
from roundoff.results.checked import as_json
from roundoff.results.message import Words, verbatim
from roundoff.revisions.read import read_evidence
from tests.support.present import text_of

ABSENT = as_json(CellMetrics(status="unavailable", reason=verbatim("not built")))
ORDER = (
    *("answer", "contents", "uses", "notes", "precision", "batches", "verdict", "classes", "changed"),
    *("framework", "size", "load", "energy", "latency", "noise", "curves"),
)


def words_of(whole_report):
    return Words(whole_report.name)


def test_sections_come_in_order(whole_report):
    text, words = (whole_report / "report.md").read_text(), words_of(whole_report)
    places = [text.index(f"## {words(f'{name}_heading')}") for name in (*ORDER, "method", "machine", "files")]
    assert places == sorted(places)


def test_every_cell_is_in_the_precision_table(whole_report):
    text, words = (whole_report / "report.md").read_text(), words_of(whole_report)
    table = text.split(words("precision_caption", batch=1))[1].split(words("precision_caption", batch=32))[0]
    measured = [line for line in table.splitlines() if re.match(r"\| (\*\*★ )?\w+ / (onnxruntime|litert)", line)]
    assert len(measured) == 6 + 2
    absent = next(line for line in table.splitlines() if "tensorrt" in line)
    assert all(name in absent for name in ("fp32", "tf32", "fp16", "int8", "NVIDIA GPU"))


def test_figures_come_from_the_metrics(whole_report, pristine):
    from roundoff.system.files import read_json

    cell = read_json(pristine.sources.metrics / "int8.json")["onnxruntime"]
    text = (whole_report / "report.md").read_text()
    assert f"{cell['batch_32']['throughput_per_s']:,.0f}" in text
    assert f"{100 * cell['accuracy']['top1']:.2f}" in text


def test_markdown_images_exist(whole_report):
    text = (whole_report / "report.md").read_text()
    linked = [part.split(")")[0] for part in text.split("](")[1:]]
    images = [name for name in linked if not name.startswith("#")]
    assert images
    assert [name for name in images if not (whole_report / name).is_file()] == []


def test_links_of_the_contents_lead_to_headings(whole_report):
    text = (whole_report / "report.md").read_text()
    anchors = re.findall(r"\]\(#(\w+)\)", text)
    assert {"uses", "notes", "precision", "verdict", "classes", "machine", "files"} <= set(anchors)
    assert [anchor for anchor in anchors if f'<a id="{anchor}"></a>' not in text] == []


def test_plots_are_images_of_some_size(whole_report):
    for path in (whole_report / "plots").glob("*.png"):
        with Image.open(path) as image:
            assert min(image.size) > 200, path.name


def test_expected_plots_are_drawn(whole_report):
    names = {path.stem for path in (whole_report / "plots").glob("*.png")}
    timed = {"latency_batch_1", "latency_batch_32", "pareto_batch_1", "drop_batch_32"}
    over = {"throughput_over_batches", "speedup_over_batches"}
    model = {"flips", "confusion_reference", "confusion_quantized", "noise", "curves"}
    assert names == timed | over | model | {"drop"}


def test_angle_brackets_are_escaped_in_markdown(whole_report):
    assert r"Example CPU \<v2\>" in (whole_report / "report.md").read_text()


@pytest.mark.slow  # two whole reports more
def test_same_run_gives_the_same_bytes(whole_report, pristine, tmp_path):
    again = tmp_path / "again"
    Report(language=whole_report.name).run(pristine.sources, pristine.verdict(), again, again / "plots")
    for first in sorted(path for path in whole_report.rglob("*") if path.is_file()):
        assert first.read_bytes() == (again / first.relative_to(whole_report)).read_bytes(), first.name


def test_bare_run_is_reported(run):
    """Nothing but metrics: no curves, no noise, no INT8, no reference."""
    for path in (run.sources.curves, run.sources.noise):
        path.unlink()
    for name in ("int8", "fp32"):
        run.rewrite(
            name,
            lambda content: [content[b].update(ABSENT) for b in ("onnxruntime", "litert")],
        )
    for name in ("fp32", "fp16", "int8", "more"):
        run.rewrite(name, lambda content: content.update(reference=None))
    page = Report().page(read_evidence(run.sources, None))
    texts = [getattr(block, "text", "") for block in page.blocks]
    words = Words("en")
    for key in ("noise_none", "curves_none", "changed_none"):
        assert words(key) in texts


@pytest.mark.parametrize("language", ["en", "ja"])
def test_missing_reference_is_not_called_missing_int8(run, language):
    run.rewrite_all(lambda content: content.update(reference=None))
    page, words = Page(), Words(language)
    changes_section(page, read_evidence(run.sources, None), words, examples=9)
    found = text_of(page.blocks[1])
    assert found in {words("changed_no_reference", cell=f"int8/{name}") for name in ("onnxruntime", "litert")}


def test_missing_answers_are_said(run):
    (run.sources.predictions / "fp32/onnxruntime.npy").unlink()
    page = Page()
    changes_section(page, run.evidence(), Words("en"), examples=9)
    assert text_of(page.blocks[1]) == Words("en")("changed_no_answers", cell="fp32/onnxruntime")


def test_batch_that_does_not_fit_says_so(run):
    full = as_json(Batch(status="unavailable", reason=verbatim("out of memory")))
    run.rewrite("int8", lambda content: content["onnxruntime"].update(batch_32=full))
    page = Page()
    precision_section(page, run.evidence(), Words("en"))
    fields = [field.text for block in page.blocks for line in getattr(block, "rows", ()) for field in line]
    assert "not run here: out of memory" in fields


def test_flips_are_shown_lost_ones_first(run):
    evidence, page = run.evidence(), Page()
    labels, before = evidence.labels, evidence.guesses(evidence.cell(evidence.reference))
    changes_section(page, evidence, Words("en"), examples=9)
    shown = next(block for block in page.blocks if isinstance(block, Gallery)).pictures
    indices = [int(picture.caption.split(":")[0].removeprefix("#")) for picture in shown]
    was_right = [bool(before[index] == labels[index]) for index in indices]
    assert len(shown) == 9
    assert was_right == sorted(was_right, reverse=True)
    with Image.open(io.BytesIO(shown[0].png)) as image:
        assert np.array_equal(np.asarray(image), evidence.test_images[indices[0]])


def test_flips_are_counted_by_which_of_the_two_was_right(run):
    evidence, page = run.evidence(), Page()
    labels, before = evidence.labels, evidence.guesses(evidence.cell(evidence.reference))
    after = before.copy()
    right = np.flatnonzero(before == labels)[:3]
    after[right] = (labels[right] + 1) % 10
    logits = np.eye(10, dtype=np.float32)[after]
    for name in ("onnxruntime", "litert"):
        run.answer(f"int8/{name}", logits)
    evidence = run.evidence()
    changes_section(page, evidence, Words("en"), examples=9)
    shown = next(block for block in page.blocks if isinstance(block, Paragraph)).text
    assert "Right before and wrong now: 3; wrong before and right now: 0; wrong both times: 0." in shown
    matrix = confusion(evidence, after)
    assert matrix[labels[right[0]], (labels[right[0]] + 1) % 10] >= 1
    assert matrix.sum(axis=1).tolist() == np.bincount(labels, minlength=10).tolist()


def test_names_of_classes_are_no_formulas_and_any_length():
    picture = np.zeros((8, 8, 3), np.uint8)
    assert confusion_figure("int8", np.eye(3, dtype=np.int64), ["$\\foo$", "5$\\2", "犬"], Words("en")) is not None
    assert flips_figure([picture] * 7, [f"#{i} {'x' * 40}\n$^$ → 1$_a_b" for i in range(7)]) is not None


def test_equal_answers_are_said(run):
    wide = np.load(run.sources.predictions / "fp32/onnxruntime.npy")
    for name in ("onnxruntime", "litert"):
        run.answer(f"int8/{name}", wide)
    page = Page()
    changes_section(page, run.evidence(), Words("en"), examples=9)
    assert "give the same answer on all 360 test images" in text_of(page.blocks[1])


def test_speed_csv_has_a_row_per_cell_and_batch(run):
    rows = list(csv.DictReader(io.StringIO(csv_files(run.evidence())["speed.csv"])))
    assert tuple(rows[0]) == SPEED_COLUMNS
    assert len(rows) == 12


def test_confusion_csv_counts_every_test_image_once_by_its_pair(run):
    evidence = run.evidence()
    rows = list(csv.DictReader(io.StringIO(csv_files(evidence)["confusion.csv"])))
    assert sum(int(row["images"]) for row in rows) == 360
    assert len({(row["actual"], row["predicted"]) for row in rows}) == len(rows)
    names, matrix = evidence.classes, confusion(evidence, evidence.guesses(quantized_cells(evidence)[0]))
    counted = {(row["actual"], row["predicted"]): int(row["images"]) for row in rows}
    assert counted == {
        (names[true], names[guess]): matrix[true, guess] for true, guess in zip(*np.nonzero(matrix), strict=True)
    }


def test_confusion_csv_without_int8_is_its_head_alone(run):
    run.rewrite("int8", lambda content: content.update(onnxruntime=ABSENT, litert=ABSENT))
    assert csv_files(run.evidence())["confusion.csv"] == "actual,predicted,images\n"


def test_tensors_that_stay_wide_are_not_drawn_among_the_worst(run):
    rows = ["tensor,kind,sqnr_db,low,high,quantized", "wide,activation,2.0,0,1,False", "narrow,weight,9.0,0,1,True"]
    run.sources.noise.write_text("\n".join(rows) + "\n")
    page = Page()
    noise_section(page, run.evidence(), Words("en"))
    drawn = page.drawings["noise"].svg.decode()
    assert "narrow" in drawn
    assert "Quantization noise of tensors in 8 bits: all 1" in drawn
    table = next(block for block in page.blocks if isinstance(block, Details)).blocks[0]
    assert isinstance(table, Table)
    assert [line[2].text for line in table.rows] == ["no", "yes"]


def test_missing_metrics_are_refused(run):
    for path in run.sources.metrics.glob("*.json"):
        path.unlink()
    with pytest.raises(DataError, match="metrics are missing"):
        read_evidence(run.sources, None)


@pytest.mark.parametrize("count", [-1, 201])
def test_number_of_examples_is_checked(count):
    with pytest.raises(ConfigError, match="flip_examples"):
        Report(flip_examples=count)
