"""The chain images → model → graph → table → engine → verdict, by what the files say of their own sources."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import onnx

from roundoff.calibration.observing.table import CalibrationTable
from roundoff.cells.sidecar import SIDECAR, Sidecar, read_sidecar
from roundoff.errors import DataError
from roundoff.graph.queries import model_hash
from roundoff.results.metrics import verdict_from
from roundoff.shipping.manifest import Link, chained
from roundoff.system.files import read_json, sha256_of

DATA, TABLE, VERDICT = "data.json", "calibration.json", "verdict.json"
GRAPH, SOURCE = "graph.onnx", "source.onnx"
"""The cell's own graph; and, where it has none, the FP32 graph."""
OF_ONE_RUN = "bring all to one commit (`dvc checkout`, `dvc pull`), or run `dvc repro`"


def chain_of(directory: Path, cell: str, artifact: str, engine: str) -> list[Link]:
    """The chain of the files in a folder that is or will be shipped.

    Raises DataError where a file names another source than the one beside it, so that they are not of one run.
    """
    sidecar = read_sidecar(directory)
    hashes = {name: sha256_of(directory / name) for name in (DATA, VERDICT, engine)}
    table = sha256_of(directory / TABLE) if (directory / TABLE).is_file() else None
    _require_cell(sidecar, cell)
    _require_engine(directory, sidecar, artifact, engine)
    told = _told(directory)
    _require_same("the images", told.get("data"), hashes[DATA], DATA)
    graph = told.get("onnx") or sidecar.sources.get("onnx")
    if (directory / SOURCE).is_file():
        _require_same("the FP32 graph", sidecar.sources.get("onnx"), sha256_of(directory / SOURCE), SOURCE)
        graph = sha256_of(directory / SOURCE)
        if table:
            require_table_of(directory / TABLE, directory / SOURCE)
    for said in (told.get("calibration"), sidecar.sources.get("calibration")):
        _require_same("the calibration table", said, table, TABLE)
    _require_verdict(directory, sidecar, cell)
    model = told.get("model") or told.get("given") or sidecar.sources.get("given") or sidecar.sources.get("keras")
    links = (
        ("images", hashes[DATA], DATA),
        ("model", model, None),
        ("graph", graph, SOURCE if (directory / SOURCE).is_file() else None),
        ("table", table, TABLE),
        ("engine", hashes[engine], engine),
        ("verdict", hashes[VERDICT], VERDICT),
    )
    return chained((name, sha256, file) for name, sha256, file in links if sha256)


def require_table_of(table: Path, graph: Path) -> None:
    """DataError where the ranges in a table are of another graph, which they name by the hash of its content."""
    named = CalibrationTable.load(table).provenance.model_sha256
    _require_same("the calibration table's graph", named, model_hash(_loaded(graph)), TABLE)


def _told(directory: Path) -> Mapping[str, str]:
    """What the graph's metadata says of its sources."""
    from roundoff.graph.provenance import read_provenance

    path = next((directory / name for name in (GRAPH, SOURCE) if (directory / name).is_file()), None)
    return {} if path is None else read_provenance(_loaded(path))


def _loaded(path: Path) -> onnx.ModelProto:
    try:
        return onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf raises what its implementation does
        raise _apart(f"{path.name}: {type(error).__name__}: {error}", "an ONNX graph") from error


def _require_same(what: str, told: str | None, is_there: str | None, file: str) -> None:
    """DataError where a file tells another hash of its source than that source has; one that tells none is believed."""
    if told is not None and told != is_there:
        raise _apart(f"{file} of {is_there}", f"{what} that the engine was made from: {told}")


def _require_cell(sidecar: Sidecar, cell: str) -> None:
    named = f"{sidecar.precision.name}/{sidecar.backend.name}"
    if (named, sidecar.status) != (cell, "built"):
        raise _apart(f"{SIDECAR} of {named}, {sidecar.status}", f"{cell}, built")


def _require_engine(directory: Path, sidecar: Sidecar, artifact: str, engine: str) -> None:
    """The files of the cell that are here are those of its sidecar, the engine among them."""
    for name, path in _cell_files(directory, sidecar, artifact, engine):
        known = sidecar.files[name].sha256
        if sha256_of(path) != known:
            raise _apart(f"{path.relative_to(directory)} of {sha256_of(path)}", f"{known}, as in {SIDECAR}")
    if artifact not in sidecar.files:
        raise _apart(f"{SIDECAR} without {artifact}", "the engine among the cell's files")


def _cell_files(directory: Path, sidecar: Sidecar, artifact: str, engine: str) -> Iterator[tuple[str, Path]]:
    for name in sidecar.files:
        path = directory / (engine if name == artifact else name)
        if path.is_file():
            yield name, path


def _require_verdict(directory: Path, sidecar: Sidecar, cell: str) -> None:
    verdict = verdict_from(read_json(directory / VERDICT))
    if cell not in verdict.cells:
        raise _apart(f"{VERDICT} on {', '.join(verdict.cells)}", f"a verdict on {cell}")
    if verdict.platform not in (None, sidecar.fingerprint.id):
        raise _apart(
            f"{VERDICT} of the machine {verdict.platform}",
            f"of {sidecar.fingerprint.id}, on which the engine was built",
        )


def _apart(received: str, expected: str) -> DataError:
    """The error of files that do not belong together."""
    return DataError("the files do not belong together", received=received, expected=expected, fix=OF_ONE_RUN)
