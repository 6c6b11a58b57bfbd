"""What the report stage makes of a run's files: the verdict, the page's text, and what its pictures show."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.hostile.tampering import found

if TYPE_CHECKING:
    from roundoff.revisions.read import Evidence


def reported(folder: Path) -> str:
    """verdict.json, summary.json, the report's text, and a hash of what is drawn; the pictures are left empty."""
    from roundoff.report.plots import style
    from roundoff.report.render.markdown import markdown_from_blocks
    from roundoff.report.report import Report
    from roundoff.results.checked import as_json
    from roundoff.results.metrics import read_metrics
    from roundoff.revisions.read import Sources, read_evidence
    from roundoff.verdict.decide import decide
    from roundoff.verdict.requirements import Target
    from roundoff.verdict.summary import summary_of

    style._saved = lambda *_: b""  # which takes nine tenths of the time
    sources = Sources(
        metrics=found(folder, "metrics"),
        predictions=found(folder, "data/predictions"),
        timings=found(folder, "data/timings"),
        prepared=found(folder, "data/prepared"),
        curves=folder / "metrics/curves.csv",
        noise=found(folder, "metrics/noise.csv"),
    )
    measured = read_metrics(sources.metrics)
    verdict = decide(measured, Target(min_relative_accuracy=0.5))
    answer = json.dumps([as_json(verdict), as_json(summary_of(measured, verdict))], sort_keys=True)
    evidence = read_evidence(sources, verdict)
    page = Report().page(evidence)
    return f"{answer}\n{markdown_from_blocks(page.blocks, 'plots')}\n{_drawn(evidence)}"


def _drawn(evidence: Evidence) -> str:
    digest = hashlib.sha256(evidence.labels.tobytes())
    for cell, batch, _ in evidence.timed_batches:
        for name, values in sorted(evidence.samples(cell, batch).items()):
            digest.update(name.encode() + values.tobytes())
    for cell in evidence.measured:
        guesses = evidence.guesses(cell)
        digest.update(b"none" if guesses is None else guesses.tobytes())
    digest.update(json.dumps([evidence.curves, evidence.noise], default=str).encode())
    return digest.hexdigest()
