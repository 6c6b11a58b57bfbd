"""`roundoff ship`: a cell with all that belongs to it in one folder, whole or not at all."""

from __future__ import annotations

import glob
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from roundoff.cells.sidecar import SIDECAR, StoredFile, check_files
from roundoff.errors import DataError, RoundoffError
from roundoff.results.message import Words
from roundoff.shipping.card import card
from roundoff.shipping.chain import DATA, GRAPH, OF_ONE_RUN, SOURCE, TABLE, VERDICT, chain_of, require_table_of
from roundoff.shipping.interface import interface, labels_text
from roundoff.shipping.manifest import FORMAT_VERSION, NAME, Layout, Link, Shipment, files_of, read_shipment
from roundoff.shipping.project import Chosen, Project, chosen, opened, require_build_of_metrics
from roundoff.shipping.triton import Repository, repository
from roundoff.system.files import sha256_of, whole_directory, write_json, write_text
from roundoff.system.plain_files import refuse_special

LICENSE, CARD, LABELS, INTERFACE = "LICENSE", "README.md", "labels.txt", "preprocessing.json"


@dataclass(frozen=True)
class Order:
    """What is to be shipped where: `cell` is a name, a use, or None for what the verdict ships; `license` a file."""

    directory: Path
    cell: str | None = None
    layout: Layout = "plain"
    license: Path | None = None
    language: str = "en"


def ship(root: Path, metrics: str, order: Order) -> Shipment:
    """Write the folder, and return its ship.json.

    Raises RoundoffError for a cell that is not there, files of several runs, and a folder that holds anything that was
    not shipped.
    """
    project = opened(root, metrics)
    cell = chosen(project, order.cell)
    require_build_of_metrics(project, metrics, cell)
    check_files(cell.directory, cell.sidecar, cell.artifact)
    served = repository(cell) if order.layout == "triton" else None
    with whole_directory(order.directory, shipped_names) as partial:
        engine = _write_cell(cell, partial, served)
        _write_sources(project, metrics, cell, partial, order.license)
        write_text(partial / CARD, card(project.snapshot, cell, served, Words(order.language)))
        chain = _chain(project, partial, cell, engine)
        shipment = Shipment(
            format=FORMAT_VERSION,
            cell=cell.name,
            layout=order.layout,
            artifact=cell.artifact,
            engine=engine,
            files=files_of(partial),
            chain=chain,
        ).sealed()
        write_text(partial / NAME, shipment.text())
    return shipment


def shipped_names(folder: Path) -> Sequence[str]:
    """The files of a folder that was shipped before, as they were shipped; none of any other folder.

    What was changed since then is not among them, so that the folder is not replaced.
    """
    try:
        files = read_shipment(folder).files
    except RoundoffError:
        return ()
    return (NAME, *(glob.escape(name) for name, file in files.items() if _is_as_shipped(folder / name, file)))


def _is_as_shipped(path: Path, known: StoredFile) -> bool:
    return path.is_file() and not path.is_symlink() and sha256_of(path) == known.sha256


def _chain(project: Project, partial: Path, cell: Chosen, engine: str) -> list[Link]:
    """The chain of what was packed; its error does not speak of the folder that is there until all is written.

    The FP32 graph, which names the table's ranges, is not packed beside a graph of the cell's own.
    """
    graph = project.root / project.paths.onnx
    try:
        if (partial / TABLE).is_file() and graph.is_file():
            require_table_of(partial / TABLE, graph)
        return chain_of(partial, cell.name, cell.artifact, engine)
    except RoundoffError as error:
        what, received = (str(words).replace(f"{partial}/", "") for words in (error.what, error.received))
        raise DataError(what, received=received, expected=error.expected, fix=OF_ONE_RUN) from error


def _write_cell(cell: Chosen, partial: Path, served: Repository | None) -> str:
    """Copy the cell's files, its engine to where Triton looks for it; the engine's path in the folder."""
    for name in cell.sidecar.files:
        if served is None or name == GRAPH:
            _copy(cell.directory / name, partial / name)
    _copy(cell.directory / SIDECAR, partial / SIDECAR)
    if served is None:
        return cell.artifact
    _copy(cell.directory / cell.artifact, partial / served.engine)
    write_text(partial / served.name / "config.pbtxt", served.config)
    write_text(partial / served.name / LABELS, labels_text(cell))
    return served.engine


def _write_sources(project: Project, metrics: str, cell: Chosen, partial: Path, given: Path | None) -> None:
    write_text(partial / LABELS, labels_text(cell))
    write_json(partial / INTERFACE, interface(cell))
    _copy(project.path("prepared") / "manifest.json", partial / DATA)
    _copy(project.root / metrics / VERDICT, partial / VERDICT)
    _copy(_license(project.root, given), partial / LICENSE)
    if cell.is_calibrated:
        _copy(project.path("calibration"), partial / TABLE)
    if not (partial / GRAPH).is_file() and "given" not in cell.sidecar.sources:
        _copy(project.path("onnx"), partial / SOURCE)


def _copy(source: Path, target: Path) -> None:
    refuse_special(source)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _license(root: Path, given: Path | None) -> Path:
    path = given or root / LICENSE
    if not path.is_file():
        raise DataError(
            "there is no licence to ship",
            received=f"no file {path}",
            expected="the terms under which the model may be used",
            fix="name its file: --license FILE",
        )
    return path
