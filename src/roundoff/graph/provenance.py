"""What an ONNX graph was made from: SHA-256 of its sources, in its own metadata, which no runtime acts on."""

from __future__ import annotations

from collections.abc import Mapping

import onnx

PREFIX, SUFFIX = "roundoff.", "_sha256"


def write_provenance(model: onnx.ModelProto, sources: Mapping[str, str]) -> None:
    """Write, in place, the hash of each of `sources`; what else is in the metadata stays.

    `data` is the manifest of the prepared images, `model` the trained model's file, `onnx` the FP32 graph,
    `calibration` the table, `given` a graph of another tool.
    """
    entries = {entry.key: entry.value for entry in model.metadata_props}
    entries |= {f"{PREFIX}{name}{SUFFIX}": digest for name, digest in sources.items()}
    del model.metadata_props[:]
    for key in sorted(entries):
        model.metadata_props.add(key=key, value=entries[key])


def read_provenance(model: onnx.ModelProto) -> dict[str, str]:
    """The hashes that `write_provenance` wrote, by source; whatever else is in the metadata is left alone."""
    return {
        entry.key.removeprefix(PREFIX).removesuffix(SUFFIX): entry.value
        for entry in model.metadata_props
        if entry.key.startswith(PREFIX) and entry.key.endswith(SUFFIX)
    }
