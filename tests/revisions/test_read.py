"""What a report is written from: files that `evaluate` left, whole or broken."""

import numpy as np
import pytest

from roundoff.errors import DataError
from roundoff.report.words.decision import Decision
from roundoff.results.cell import CellMetrics
from roundoff.results.checked import as_json
from roundoff.results.message import message, verbatim
from roundoff.results.metrics import verdict_from
from roundoff.results.platform import Platform
from roundoff.results.precision import Types
from roundoff.results.run import Method, Metrics
from roundoff.revisions.read import Sources, cells_of, read_evidence
from roundoff.system.files import read_json
from tests.support.places import ROOT

FOLDERS = sorted({path.parent for name in ("metrics", "results") for path in (ROOT / name).glob("**/verdict.json")})


def all_or_error(run):
    """Whether all could be read; whatever is raised but DataError is a failure."""
    try:
        read_all(run)
    except DataError:
        return False
    return True


def read_all(run):
    evidence = read_evidence(run.sources, None)
    cell = next(cell for cell in evidence.measured if evidence.samples(cell, 1))
    return evidence.labels, evidence.guesses(cell), evidence.samples(cell, 1)


def types_told(precisions, weights=None):
    """The types of one cell of a precision whose name says something else."""
    cells = {"int8_but_not/any": CellMetrics(status="measured", weights=weights)}
    found = Metrics(platform=Platform(), reference=None, method=Method(precisions=precisions), cells=cells)
    return cells_of(found, {})[0].types


def test_the_metrics_tell_a_cells_types_whatever_its_name():
    half = Types("float16", "float16", "float32")
    assert types_told({"int8_but_not": half}) == half
    assert types_told({"int8_but_not": half}, weights="float32") == Types("float32", "float16", "float32")
    assert types_told({"int8": half}) is None


@pytest.mark.parametrize("kept", [0, 5, 100])
@pytest.mark.parametrize("pattern", ["predictions/labels.npy", "predictions/*/*.npy", "timings/*/*/batch_1.npz"])
def test_a_file_that_was_cut_short_is_named(run, pattern, kept):
    assert all(len(found) for found in read_all(run))
    for path in run.sources.predictions.parent.glob(pattern):
        path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DataError, match=r"np[yz] cannot be read(.*\n)+  fix:      run it again: `dvc repro -f eval"):
        read_all(run)


@pytest.mark.parametrize("pattern", ["predictions/labels.npy", "timings/*/*/batch_1.npz"])
def test_a_changed_byte_is_no_traceback(run, pattern):
    path = next(run.sources.predictions.parent.glob(pattern))
    whole, random, broken = path.read_bytes(), np.random.default_rng(0), 0
    for place in random.integers(0, 128 if path.suffix == ".npy" else len(whole), 100):
        changed = bytearray(whole)
        changed[place] ^= int(random.integers(1, 256))
        path.write_bytes(changed)
        broken += not all_or_error(run)
    assert broken > 15


def test_build_times_come_from_the_builds(run):
    assert run.evidence().cell("int8/litert").build_s == 1.2
    assert run.evidence().cell("fp32/tensorrt_rtx").build_s == 4.2
    (run.sources.metrics / "build-int8.json").unlink()
    assert run.evidence().cell("int8/litert").build_s is None


def test_metrics_of_several_machines_are_refused(run):
    run.rewrite("int8", lambda content: content["platform"].update(id="ffffffffffff"))
    with pytest.raises(DataError, match="come from different runs"):
        read_evidence(run.sources, None)


def test_cells_are_in_order_and_know_their_names(run):
    names = [cell.key for cell in run.evidence().cells]
    backends = ("tensorrt_rtx", "onnxruntime", "litert")
    assert names == [f"{name}/{backend}" for backend in backends for name in ("fp32", "tf32", "fp16", "int8")]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_published_results_are_read(folder, tmp_path):
    """Files of before there was a format number."""
    sources = Sources(folder, tmp_path, tmp_path, tmp_path, None, folder / "noise.csv")
    evidence = read_evidence(sources, verdict_from(read_json(folder / "verdict.json")))
    assert evidence.measured
    assert evidence.verdict
    # Without strict FP32 answers, which ONNX Runtime gives, nothing tells the reference's own error.
    reference = evidence.verdict.reference
    assert all(cell.accuracy for cell in evidence.measured)
    assert all(cell.relative_error is not None for cell in evidence.measured if cell.key != reference)
    assert all(cell.build_s for cell in evidence.measured)
    assert Decision(evidence.verdict).shipped
    assert evidence.calibration
    assert evidence.calibration.images


def test_stages_that_wrote_nothing_say_nothing(run):
    (run.sources.metrics / "calibrate.json").unlink()
    (run.sources.metrics / "export.json").unlink(missing_ok=True)
    assert (run.evidence().calibration, run.evidence().export) == (None, None)


def test_warnings_of_calibration_are_messages_and_of_before_text(run):
    def warned(*warnings):
        run.rewrite("calibrate", lambda content: content.update(warnings=as_json(warnings)))
        return run.evidence().calibration.findings

    found = message("kind_weight")
    assert warned(found, "clipping: 2 %") == [found, verbatim("clipping: 2 %")]


def test_what_calibration_cannot_have_said_is_refused(run):
    run.rewrite("calibrate", lambda content: content.update(images=-1))
    with pytest.raises(DataError, match=r"calibrate\.json holds what cannot be"):
        _ = run.evidence().calibration
