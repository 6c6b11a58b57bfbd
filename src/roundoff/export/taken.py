"""ONNX → ONNX: a model taken from a file becomes the one FP32 graph that every precision starts from."""

from __future__ import annotations

import functools
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import onnx

from roundoff.dataset.base import Prepared
from roundoff.errors import ExportError
from roundoff.export.fit import require_fit
from roundoff.export.parity import onnx_logits, parity
from roundoff.export.rounding import rounding_error
from roundoff.export.steps import cleaned, facts, refused_in_words, sources_of, whole
from roundoff.results.preparation import SourceExport
from roundoff.system.files import sha256_of, whole_file
from roundoff.system.said import said

IR_VERSION = 8  # the oldest that knows operator set 18


class OwnNames:
    """A graph whose nodes bear their own names."""

    def spoken(self, text: str) -> str:
        """The text itself."""
        return text

    def of(self, candidates: Iterable[str]) -> str | None:
        """The first name that there is."""
        return next((name for name in candidates if name), None)


def exported_onnx(
    source: Path, prepared: Prepared, output: Path, opset: int, parity_images: int, tolerance: float
) -> SourceExport:
    """Write the graph of `source`, as the train stage left it, to `output`; see `Export.onnx_from_keras`."""
    require_fit(source, prepared, "train")
    images = prepared.calibration_images(min(parity_images, prepared.pool))
    with tempfile.TemporaryDirectory(prefix="roundoff-export-") as directory, whole_file(output) as partial:
        path = Path(directory) / "raised.onnx"
        onnx.save(raised(onnx.load(source), opset), path)
        with refused_in_words(OwnNames(), "ONNX Runtime"):
            expected = onnx_logits(source, images)
        model = cleaned(path, OwnNames(), name_nodes)
        source_sha256 = sha256_of(source)
        partial.write_bytes(whole(model, path.parent, sources_of(prepared, source_sha256)))
        with refused_in_words(OwnNames(), "ONNX Runtime"):
            received = onnx_logits(partial, images)
        rounding = functools.partial(rounding_error, partial, images)
        figures = parity(received, expected, tolerance, rounding, source="the model that was taken")
    return SourceExport(**vars(facts(figures, model, output)), source_sha256=source_sha256)


def raised(model: onnx.ModelProto, opset: int) -> onnx.ModelProto:
    """The model in ONNX's operator set `opset`, or its own where that is newer."""
    current = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    if current >= opset:
        return model
    try:
        newer: onnx.ModelProto = onnx.version_converter.convert_version(model, opset)
        newer.ir_version = max(newer.ir_version, IR_VERSION)
    except Exception as error:  # the converter raises what its adapters do
        raise ExportError(
            f"The model cannot be brought from ONNX's operator set {current} to {opset}",
            received=said(error),
            expected="operators that onnx.version_converter knows in both",
            fix=f"export it again with opset_version={opset}",
        ) from error
    return newer


def name_nodes(model: onnx.ModelProto) -> None:
    """Give, in place, each node a name of its own: its own where it has one."""
    times: Counter[str] = Counter()
    for node in model.graph.node:
        name = node.name or node.op_type
        times[name] += 1
        node.name = name if times[name] == 1 else f"{name}_{times[name]}"
