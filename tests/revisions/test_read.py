"""What a report is written from: files that `evaluate` left, whole or broken."""

import numpy as np
import pytest

from roundoff.errors import DataError
from roundoff.revisions.read import read_evidence


def all_or_error(run):
    """Whether all could be read; whatever is raised but DataError is a failure."""
    try:
        read_all(run)
    except DataError:
        return False
    return True


def read_all(run):
    evidence = read_evidence(run.sources, {})
    cell = next(cell for cell in evidence.measured if evidence.samples(cell, 1))
    return evidence.labels, evidence.guesses(cell), evidence.samples(cell, 1)


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
    for place in random.integers(0, 128 if path.suffix == ".npy" else len(whole), 300):
        changed = bytearray(whole)
        changed[place] ^= int(random.integers(1, 256))
        path.write_bytes(changed)
        broken += not all_or_error(run)
    assert broken > 50


def test_build_times_come_from_the_builds_and_of_older_metrics_from_the_cell(run):
    assert run.evidence().cell("int8/litert").facts["build_s"] == 1.2
    assert run.evidence().cell("fp32/tensorrt_rtx").facts["build_s"] == 4.2
    (run.sources.metrics / "build-int8.json").unlink()
    assert "build_s" not in run.evidence().cell("int8/litert").facts
    run.rewrite("int8", lambda content: content["litert"].update(build_s=3.4))
    assert run.evidence().cell("int8/litert").facts["build_s"] == 3.4
