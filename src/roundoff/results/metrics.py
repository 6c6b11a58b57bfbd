"""The one reader and the one writer of metrics files: a run's cells, verdict.json, summary.json, builds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from roundoff.errors import DataError
from roundoff.results import legacy
from roundoff.results.build import BuildMetrics
from roundoff.results.cell import CellMetrics
from roundoff.results.checked import BATCH, REMEDY, as_json, checked
from roundoff.results.run import Head, Metrics
from roundoff.results.sound import faults
from roundoff.results.summary import Answer, BestCell, Summary
from roundoff.results.verdict import Verdict
from roundoff.results.versions import require_known
from roundoff.system.files import read_json, write_json
from roundoff.system.own import require_folder_name
from roundoff.system.slots import ANSWER, MORE, STAGED

FORMAT = 7
EARLIER = (3, 4, 5, 6)  # the same with fewer keys; files of before had no number
HEAD = ("format", "platform", "reference", "method")
FILES = (*STAGED, MORE)


def read_metrics(directory: Path) -> Metrics:
    """What `evaluate` wrote into `directory`; raises DataError where files are missing, broken or of several runs."""
    missing = [name for name in FILES if not (directory / f"{name}.json").exists()]
    if missing:
        raise DataError(
            "metrics are missing",
            received=f"no {missing[0]}.json in {directory}",
            expected=", ".join(f"{name}.json" for name in FILES),
            fix="run the evaluate stage",
        )
    return metrics_from({name: read_json(directory / f"{name}.json") for name in FILES})


def metrics_from(files: Mapping[str, object]) -> Metrics:
    """Metrics from parsed files by their names without ending ("fp32", …, "more")."""
    contents = {name: _of_this_format(name, content, legacy.metrics_file) for name, content in files.items()}
    first, whole = next(iter(contents.items()))
    for name, content in contents.items():
        if any(content.get(key) != whole.get(key) for key in HEAD):
            raise DataError(
                "the metrics files come from different runs",
                received=f"{name}.json differs from {first}.json in what all should share",
                expected=f"the same {', '.join(HEAD)} in all",
                fix="run the evaluate stage again",
            )
    complete = all(_format(content) == FORMAT for content in files.values())
    head = checked(Head, {key: whole[key] for key in HEAD if key in whole}, f"{first}.json", complete)
    cells: dict[str, CellMetrics] = {}
    for name, content in contents.items():
        body = {key: value for key, value in content.items() if key not in HEAD}
        for precision, backends in ({name: body} if name != MORE else body).items():
            if not isinstance(backends, dict):
                raise _foreign(name, f"{precision}: {backends!r}")
            for backend, cell in backends.items():
                cells[f"{precision}/{backend}"] = _cell(f"{name}.json", precision, backend, cell, complete)
    metrics = Metrics(platform=head.platform, reference=head.reference, method=head.method, cells=cells)
    if complete and (wrong := next(_faults(metrics), None)):
        raise _foreign(first, wrong)
    return metrics


def _cell(file: str, precision: str, backend: str, content: object, complete: bool) -> CellMetrics:
    where = f"{file} ({precision}/{backend})"
    for name in (precision, backend):
        require_folder_name("precision or backend in the metrics", name)
    cell = checked(CellMetrics, content, where, complete)
    if wrong := next(faults(cell, complete), None):
        raise DataError(f"{where} holds what cannot be", received=wrong, expected="figures that fit", fix=REMEDY)
    return cell


def _faults(metrics: Metrics) -> Iterator[str]:
    """What cannot be about the cells of a run together, in words."""
    measured = {name: cell.accuracy for name, cell in metrics.cells.items() if cell.accuracy}
    if metrics.reference is not None and metrics.reference not in measured:
        yield f"the reference {metrics.reference}, which is no measured cell"
    listed = (name for device in metrics.method.devices.values() for name in device.cells)
    if lost := next((name for name in listed if name not in metrics.cells), None):
        yield f"no cell {lost}, which was timed"
    timed = {name: cell.batches.keys() for name, cell in metrics.cells.items() if cell.measured and cell.batches}
    every = {size for sizes in timed.values() for size in sizes}
    for name, sizes in timed.items():
        if lacking := sorted(every - sizes):  # one that failed there is a row all the same
            yield f"{name} without {BATCH}{lacking[0]}, which others have"


def write_metrics(metrics: Metrics, directory: Path) -> None:
    """One file for each precision with a stage of its own, and more.json for further ones by name."""
    head = {
        "format": FORMAT,
        "platform": as_json(metrics.platform),
        "reference": metrics.reference,
        "method": as_json(metrics.method),
    }
    by_precision: dict[str, dict[str, object]] = {name: {} for name in STAGED}
    for name, cell in metrics.cells.items():
        precision, backend = name.split("/")
        by_precision.setdefault(precision, {})[backend] = as_json(cell)
    for name in STAGED:
        write_json(directory / f"{name}.json", {**head, **by_precision.pop(name)})
    write_json(directory / f"{MORE}.json", {**head, **by_precision})


def verdict_from(content: object) -> Verdict:
    """The content of verdict.json."""
    if isinstance(content, dict) and "cells" not in content:
        raise _foreign("verdict", f"no cells, but {', '.join(content) or 'nothing'}")
    known = _of_this_format("verdict", content, legacy.verdict_file)
    return checked(Verdict, _without_format(known), "verdict.json", _format(content) == FORMAT)


def write_verdict(verdict: Verdict, directory: Path) -> None:
    """Write verdict.json."""
    write_json(directory / "verdict.json", {"format": FORMAT, **as_json(verdict)})


def summary_from(content: object) -> Summary:
    """The content of summary.json, which has no number of its format: each of its values is a metric of DVC's."""
    if not isinstance(content, dict):
        raise _foreign("summary", type(content).__name__)
    best = {name: value for name, value in content.items() if name != ANSWER}
    return Summary(
        answer=checked(Answer, content.get(ANSWER), "summary.json", batches=False),
        precisions={name: checked(BestCell, value, f"summary.json ({name})") for name, value in best.items()},
    )


def write_summary(summary: Summary, directory: Path) -> None:
    """Write summary.json."""
    write_json(directory / "summary.json", {ANSWER: as_json(summary.answer), **as_json(summary.precisions)})


def builds_from(name: str, content: object) -> dict[str, BuildMetrics]:
    """The content of NAME.json (build-PRECISION), by backend."""
    known = _without_format(_of_this_format(name, content, legacy.build_file))
    complete = _format(content) == FORMAT
    return {
        backend: checked(BuildMetrics, build, f"{name}.json ({backend})", complete) for backend, build in known.items()
    }


def write_builds(precision: str, builds: Mapping[str, BuildMetrics], directory: Path) -> None:
    """Write build-PRECISION.json."""
    write_json(directory / f"build-{precision}.json", {"format": FORMAT, **as_json(dict(builds))})


def holds_cells(content: object) -> bool:
    """Whether a parsed file is one of those that `evaluate` writes."""
    return isinstance(content, dict) and {"platform", "reference", "method"} <= set(content)


def _of_this_format(name: str, content: object, modern: Callable[[Any], Any]) -> Any:
    if not isinstance(content, dict):
        raise _foreign(name, type(content).__name__)
    version = _format(content)
    if version is None:
        try:
            return modern(content)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise _foreign(name, f"{type(error).__name__}: {error}") from error
    require_known(f"{name}.json", version, [*EARLIER, FORMAT], ", or none, as files of before")
    return content


def _foreign(name: str, received: str) -> DataError:
    return DataError(
        f"{name}.json is not what a stage wrote",
        received=received,
        expected="an object of the keys that docs/metrics.md names",
        fix="restore it with `git checkout`, or run the stage again with `dvc repro -f STAGE`",
    )


def _format(content: object) -> object:
    return content.get("format") if isinstance(content, dict) else None


def _without_format(content: Any) -> dict[str, object]:
    return {key: value for key, value in content.items() if key != "format"}
