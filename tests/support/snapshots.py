"""Two revisions of one cell, and what differs between them."""

from dataclasses import replace

from roundoff.results.cell import Accuracy, Batch, CellMetrics
from roundoff.results.platform import Cpu, Gpu, Platform
from roundoff.results.run import Method, Metrics
from roundoff.results.verdict import CellVerdict, Verdict
from roundoff.revisions.diff import compare
from roundoff.revisions.revision import Snapshot
from roundoff.revisions.revision_context import RevisionContext

UNKNOWN = (RevisionContext(), RevisionContext())


PLATFORM = Platform(id="aaaa", cpu=Cpu(model="one", cores=2), gpus=[Gpu(name="X")])


NAME = "int8/onnxruntime"


ACCURACY = Accuracy(top1=0.95, top1_low=0.94, top1_high=0.96, samples=1000, correct=950, nonfinite=0, agreement=0.98)


BATCH = Batch(
    status="measured",
    device_p50_ms=0.1,
    end_to_end_p50_ms=0.11,
    throughput_per_s=9000.0,
    speedup=1.4,
    speedup_low=1.38,
    speedup_high=1.42,
)


CELL = CellMetrics(
    status="measured",
    effective_precision="int8",
    size_mb=0.1,
    load_ms=9.0,
    accuracy=ACCURACY,
    batches={1: BATCH},
)


def changed(cell, path, value):
    """The cell with another value at a dotted path such as `accuracy.top1`, `batch_1.speedup` or `size_mb`."""
    part, _, name = path.rpartition(".")
    if not part:
        return replace(cell, **{name: value})
    if part == "batch_1":
        return replace(cell, batches={1: replace(cell.batches[1], **{name: value})})
    return replace(cell, **{part: replace(getattr(cell, part), **{name: value})})


def snapshot(changes=(), platform=PLATFORM, verdict="pass"):
    cell = CELL
    for path, value in changes:
        cell = changed(cell, path, value)
    return of({NAME: cell}, platform, {NAME: CellVerdict(verdict=verdict)})


def of(cells, platform=PLATFORM, verdicts=None):
    metrics = Metrics(platform=platform, reference=None, method=Method(), cells=cells)
    return Snapshot("r", "c", metrics, Verdict(cells=verdicts or {}))


def judged(*changes, contexts=UNKNOWN, **options):
    found = compare(snapshot(), snapshot(changes, **options), contexts=contexts)
    return {change.title: change.judgement for change in found if change.judgement != "unchanged"}
