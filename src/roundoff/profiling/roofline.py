"""What a device reaches at best: multiply-adds per second by type, and bytes per second, measured by small networks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from roundoff.backend.base import Backend
from roundoff.cells.cell import Cell, find_cells
from roundoff.cells.inputs import Inputs
from roundoff.cells.store import build_or_tell
from roundoff.dataset.base import Images
from roundoff.precision.base import Precision
from roundoff.precision.given import Given
from roundoff.profiling import micro
from roundoff.profiling.looking import Looking
from roundoff.profiling.measuring import Effort, measured
from roundoff.profiling.rows import rows_of
from roundoff.results.layers import LayerRow, Profile, Roofline
from roundoff.results.message import message
from roundoff.results.platform import Platform
from roundoff.results.shortfall import Shortfall, tolerated
from roundoff.system.at_work import at_work
from roundoff.system.progress import track
from roundoff.system.slots import REFERENCE_PRECISION

ON_CPU = "cpu"
MOST_IMAGES = 32  # in a small network's batch: its tensors have half a gigabyte then, and fill any device
LEAST_MS = 0.05  # of a layer that may be a peak: below, clocks tell too little


@dataclass(frozen=True)
class Rooflines:
    """Of the machine with that fingerprint, at a batch size; those of `before` hold where it is of the same machine."""

    platform: Platform
    effort: Effort
    before: Profile
    batch: int

    def of(
        self, run: Looking, precisions: Mapping[str, Precision], backends: Mapping[str, Backend]
    ) -> dict[str, Roofline]:
        """By device, through each of the backends that takes ONNX graphs; of a device that none of them runs on, none.

        A layer of the networks that were looked at in `run` raises a peak that it has passed.
        """
        made = {name: each for name, each in precisions.items() if not isinstance(each, Given)}
        taking = {name: each for name, each in backends.items() if each.takes_onnx}
        wanted = {f"{precision}/{backend}" for precision in made for backend in taking}
        devices = {told.device for told in run.told.values() if told.device}
        on_gpu = {cell.split("/")[1] for cell, told in run.told.items() if told.device not in (None, ON_CPU)}
        found = self._kept(devices, wanted) or self._measured(made, taking, on_gpu, wanted)
        return {device: raised(each, run.rows_on(device)) for device, each in found.items()}

    def _kept(self, devices: Collection[str], wanted: Collection[str]) -> dict[str, Roofline]:
        """Those of before, if they are of this machine and were measured by all that is wanted."""
        kept = {device: each for device, each in self.before.rooflines.items() if device in devices}
        whole = all(set(wanted) <= set(each.measured_by) for each in kept.values())
        return kept if whole and self.before.platform == self.platform.id else {}

    def _measured(
        self,
        precisions: Mapping[str, Precision],
        backends: Mapping[str, Backend],
        on_gpu: Collection[str],
        wanted: Collection[str],
    ) -> dict[str, Roofline]:
        if not backends:
            return {}
        rows: dict[str, list[LayerRow]] = {}
        with TemporaryDirectory(prefix="roundoff-roofline-") as folder:
            built = [
                *self._built(Path(folder) / "gpu", micro.ON_GPU, precisions, _those(backends, on_gpu)),
                *self._built(
                    Path(folder) / "cpu", micro.ON_CPU, precisions, _those(backends, backends.keys() - on_gpu)
                ),
            ]
            for cell, batch in track(built, "roofline"):
                for device, found in self._looked_at(cell, batch):
                    rows.setdefault(device, []).extend(found)
        return {device: _roofline(found, wanted) for device, found in rows.items()}

    def _built(
        self,
        folder: Path,
        size: micro.Size,
        precisions: Mapping[str, Precision],
        backends: Mapping[str, Backend],
    ) -> Iterator[tuple[Cell, Images]]:
        """The small networks' cells, each with a batch."""
        if not backends:
            return
        reference = {REFERENCE_PRECISION: precisions[REFERENCE_PRECISION]}
        yield from self._cells(folder / "products", micro.products(size), precisions, backends)
        yield from self._cells(folder / "copies", micro.copies(size), reference, backends)

    def _cells(
        self,
        folder: Path,
        model: object,
        precisions: Mapping[str, Precision],
        backends: Mapping[str, Backend],
    ) -> Iterator[tuple[Cell, Images]]:
        import onnx

        assert isinstance(model, onnx.ModelProto)
        folder.mkdir(parents=True)
        onnx.save(model, folder / "model.onnx")
        micro.table_of(model).save(folder / "table.json")
        shape = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim[1:]]
        images = np.random.default_rng(0).integers(0, 256, (min(self.batch, MOST_IMAGES), *shape), dtype=np.uint8)
        inputs = Inputs(
            onnx=folder / "model.onnx",
            keras=None,
            table=folder / "table.json",
            calibration=images[:1],
            fingerprint=self.platform,
            backends=tuple(backends),
            logs=folder / "logs",
        )
        engines = folder / "engines"
        for name, precision in precisions.items():
            for backend_name, backend in backends.items():
                place = engines / name / backend_name
                build_or_tell(backend_name, backend, name, precision, inputs, place, network=folder.name)
        for cell in find_cells(engines, precisions, backends):
            if cell.built.measured:
                yield cell, images

    def _looked_at(self, cell: Cell, images: Images) -> Iterator[tuple[str, Sequence[LayerRow]]]:
        """Its device and layers; nothing where it does not run, which the cells of the real network say, too."""
        missing: list[Shortfall] = []
        with (
            tolerated(message("doing_layers"), missing.append),
            at_work(f"peaks of {cell.name} in {cell.directory.parents[2].name}"),
        ):
            told, layers = measured(cell, self.platform, [images], self.effort)
            yield str(told.device), list(rows_of(cell, layers, len(images)))


def _those(backends: Mapping[str, Backend], names: Collection[str]) -> dict[str, Backend]:
    return {name: each for name, each in backends.items() if name in names}


def raised(roofline: Roofline, rows: Sequence[LayerRow]) -> Roofline:
    """With the peaks of products that layers of these rows have passed."""
    found = dict(roofline.macs_per_s)
    for row in rows:
        if row.macs and row.computes_in and row.median_ms and row.median_ms >= LEAST_MS:
            found[row.computes_in] = max(found.get(row.computes_in, 0.0), row.macs / row.median_ms * 1e3)
    return replace(roofline, macs_per_s=found)


def _roofline(rows: Sequence[LayerRow], measured_by: Collection[str]) -> Roofline:
    """The best product of each type, and the best of the layers that only go through a large tensor."""
    moving = _moving([row for row in rows if not row.macs and row.moved_bytes and row.median_ms])
    large = max((size for size, _ in moving), default=0) / 2
    speeds = [1e3 * size / ms for size, ms in moving if size >= large]
    return raised(Roofline(bytes_per_s=max(speeds, default=None), measured_by=sorted(measured_by)), rows)


def _moving(rows: Sequence[LayerRow]) -> list[tuple[int, float]]:
    """Bytes and milliseconds. Layers of a cell that stand for one node, as a mean in two steps, share its bytes."""
    together: list[list[LayerRow]] = []
    for row in rows:
        group = next((each for each in together if _share_a_node(row, each)), None)
        if group is None:
            together.append([row])
        else:
            group.append(row)
    return [
        (max(row.moved_bytes or 0 for row in group), sum(row.median_ms or 0 for row in group)) for group in together
    ]


def _share_a_node(row: LayerRow, group: Sequence[LayerRow]) -> bool:
    return any(row.cell == other.cell and set(row.nodes) & set(other.nodes) for other in group)
