"""A run that is compared: its metrics, what they rest on, its settings, and the hashes of what was built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

from roundoff.results.build import BuildMetrics
from roundoff.results.cell import Batch, CellMetrics
from roundoff.results.metrics import builds_from
from roundoff.results.preparation import AnyTrained, CalibrationMetrics, ExportMetrics, stage_from
from roundoff.results.run import Metrics
from roundoff.results.verdict import Verdict
from roundoff.revisions.revision import Snapshot
from roundoff.revisions.revision_context import RevisionContext
from roundoff.system.slots import REFERENCE_PRECISION

Stage = TypeVar("Stage", AnyTrained, CalibrationMetrics, ExportMetrics)
BUILD = "build-"
GRAPH, ARTIFACT = "graph.onnx", "model."
"""What a cell's folder has: the graph in its precision, and what is shipped, by the beginning of its name."""


@dataclass(frozen=True)
class Run:
    """`name` as it was asked for; `settings` is the content of params.yaml, empty where it is not known."""

    name: str
    snapshot: Snapshot
    context: RevisionContext = field(default_factory=RevisionContext)
    settings: Mapping[str, object] = field(default_factory=dict)

    @property
    def metrics(self) -> Metrics:
        return self.snapshot.metrics

    @property
    def verdict(self) -> Verdict:
        return self.snapshot.verdict

    @property
    def machine(self) -> str:
        """The id of the machine's fingerprint; a question mark where it is not known."""
        return self.snapshot.machine or "?"

    @property
    def test_set(self) -> str | None:
        """The hash of the test images, by the metrics, else by dvc.lock."""
        return self.context.test_set or self.context.prepared

    @property
    def batch_size(self) -> int | None:
        """The batch size that cells are ranked at, else the smallest that was timed."""
        target = self.verdict.target
        sizes = sorted({size for cell in self.metrics.cells.values() for size in cell.batches})
        return target.batch_size if target and target.batch_size in sizes else next(iter(sizes), None)

    @property
    def ships(self) -> str | None:
        """The cell that ships; None where the data allow none."""
        choice = self.verdict.shipped
        return choice.cell if choice else None

    def cell(self, name: str) -> CellMetrics | None:
        """The cell, if it was measured."""
        found = self.metrics.cells.get(name)
        return found if found and found.measured else None

    def timing(self, name: str) -> Batch | None:
        """Its figures at the ranked batch size."""
        found, size = self.cell(name), self.batch_size
        return found.batches.get(size) if found and size is not None else None

    @cached_property
    def builds(self) -> dict[str, BuildMetrics]:
        """What the build stages say, by cell."""
        files = {name: content for name, content in self.snapshot.stages.items() if name.startswith(BUILD)}
        return {
            f"{name.removeprefix(BUILD)}/{backend}": build
            for name, content in files.items()
            for backend, build in builds_from(name, content).items()
        }

    def engine(self, cell: str) -> dict[str, str]:
        """SHA-256 of the files of the cell that ship; empty where it was not built, or nobody recorded it."""
        build = self.builds.get(cell)
        return {name: digest for name, digest in (build.sha256 if build else {}).items() if name.startswith(ARTIFACT)}

    def graph(self, cell: str) -> str | None:
        """SHA-256 of the graph that the cell was built from, in its precision."""
        build = self.builds.get(cell)
        return build.sha256.get(GRAPH) if build else None

    @cached_property
    def model_graphs(self) -> dict[str, str]:
        """SHA-256 of the network itself, as far as it was recorded: the exported graph's, the FP32 cells'."""
        exported = self._stage("export", ExportMetrics)
        wide = (self.graph(cell) for cell in self.builds if cell.startswith(f"{REFERENCE_PRECISION}/"))
        named = {"exported": exported.onnx_sha256 if exported else None, "wide": next(filter(None, wide), None)}
        return {name: digest for name, digest in named.items() if digest}

    @property
    def shown_graph(self) -> str | None:
        """The one of these that most runs have, by which a reader sees which are the same."""
        return self.model_graphs.get("wide") or self.model_graphs.get("exported")

    @cached_property
    def told(self) -> dict[str, str]:
        """What stages call the choices of `model` and `calibrate`, where they tell."""
        trained, calibrated = self._stage("train", AnyTrained), self._stage("calibrate", CalibrationMetrics)
        named = {"model": trained.model if trained else None, "calibrate": calibrated.method if calibrated else None}
        return {key: name for key, name in named.items() if name}

    def _stage(self, name: str, kind: type[Stage]) -> Stage | None:
        content = self.snapshot.stages.get(name)
        return stage_from(kind, name, content) if content is not None else None
