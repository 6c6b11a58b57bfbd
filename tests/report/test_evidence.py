"""What a report is written from: files that `evaluate` left, whole or broken."""

import pytest

from roundoff.errors import DataError
from roundoff.report.evidence import read_evidence


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
