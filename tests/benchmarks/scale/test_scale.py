"""A million images: what is made, measured and required."""

import sys

import numpy as np
import onnxruntime as ort
import pytest

from benchmarks.scale.images import Synthetic
from benchmarks.scale.job import STAGES, Case
from benchmarks.scale.network import network
from benchmarks.scale.targets import GROWING, OTHERS, slower, table, targets
from benchmarks.scale.watching import watched


def row(case, processor_s=1.0, anonymous_mb=100.0):
    stages = ("prepare",) if case.files else STAGES
    figures = {"wall_s": 1.0, "processor_s": processor_s, "anonymous_mb": anonymous_mb}
    kept = 0 if case.files else 24 * 3 * (case.images // 2)
    return {
        "name": case.name,
        "case": {"images": case.images},
        "stages": dict.fromkeys(stages, figures),
        "predictions_bytes": kept,
        "confusion_bytes": 0,
    }


def result(**most):
    growing = [row(case, 2 + case.images / 1e4) for case in GROWING[:2]]
    last = {"processor_s": 102.0, "anonymous_mb": 119.0, **most}
    return {"rows": [*growing, row(GROWING[2], **last), *(row(case) for case in OTHERS)]}


def missed(found):
    return [name for name, met in targets(found).items() if not met]


def test_what_grows_with_the_images_alone_meets_every_target():
    assert missed(result()) == []
    assert slower("prepare", result()["rows"][:3]) == pytest.approx(1)


def test_slower_images_and_more_memory_are_named():
    assert missed(result(processor_s=140.0))[0].startswith("prepare: an image at 10⁶ takes at most 1.3")
    assert missed(result(anonymous_mb=121.0))[0].startswith("prepare: memory at 10⁶ is at most 1.2")


def test_a_job_that_is_missing_and_answers_that_are_large_are_named():
    found = result()
    found["rows"][0]["predictions_bytes"] *= 2
    del found["rows"][-1]
    assert missed(found) == [
        f"every job has run (not: {OTHERS[-1].name})",
        f"{GROWING[0].name}: an image's answers by a cell, at most 40 bytes are kept (are: 48)",
    ]


def test_the_table_has_a_row_for_each_stage():
    lines = table(result()).splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:]] == [*STAGES, "answers kept, MB"]


@pytest.mark.parametrize(("size", "classes"), [(32, 10), (64, 100)])
def test_the_network_knows_the_images_and_errs_now_and_then(size, classes):
    opened = Synthetic(images=2000, size=size, classes=classes).open()
    images, labels = zip(*opened.read("test"), strict=True)
    again = next(iter(opened.read("test")))[0]
    np.testing.assert_array_equal(images[0], again)
    session = ort.InferenceSession(network(size, classes, 0).SerializeToString(), providers=["CPUExecutionProvider"])
    right = session.run(None, {"image": np.stack(images)})[0].argmax(1) == labels
    assert 0.8 < right.mean() <= 1
    assert len({image.tobytes() for image in images}) == len(images) == opened.count("test")


def test_memory_of_children_counts_and_mapped_files_do_not(tmp_path):
    big = tmp_path / "big"
    big.write_bytes(bytes(50_000_000))
    child = "import numpy, time; x = numpy.ones(10_000_000); time.sleep(1)"
    mapped = f"import numpy; x = numpy.memmap({str(big)!r}).sum()"
    code = f"import subprocess, sys; {mapped}; subprocess.run([sys.executable, '-c', {child!r}])"
    found = watched([sys.executable, "-c", code], tmp_path, {})
    alone = watched([sys.executable, "-c", f"{mapped}; import time; time.sleep(0.2)"], tmp_path, {})
    assert (found.code, alone.code) == (0, 0)
    assert found.anonymous_mb > 80
    assert alone.anonymous_mb < 45
    assert found.processor_s > 0


def test_a_stage_that_fails_says_so(tmp_path):
    found = watched([sys.executable, "-c", "raise SystemExit('no room')"], tmp_path, {})
    assert (found.code, found.words) == (1, "no room\n")


def test_cases_have_names_of_their_own():
    names = [case.name for case in (*GROWING, *OTHERS)]
    assert len(set(names)) == len(names)
    assert Case(10, files=True).name == "10 images of 32 px, files"
