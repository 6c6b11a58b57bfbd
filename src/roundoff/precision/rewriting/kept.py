"""Which nodes of a graph stay wide by themselves or by choice: written into its metadata, read for the cell's row."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from roundoff.results.message import Message, message

if TYPE_CHECKING:
    import onnx

CONSTANTS, OVERFLOWS = "kept_for_constants", "kept_for_overflows"
CHOSEN, BEST_CHOSEN = "kept_by_choice", "kept_by_best_choice"
CODES = (CHOSEN, BEST_CHOSEN, CONSTANTS, OVERFLOWS)
"""Codes of the notes, and their keys in the metadata."""
QUANTIZED = "/quantized"
"""Behind a tensor's name: what its pair makes of it."""
MOST_NAMED = 5
"""Nodes that one note names."""


def note_kept(model: onnx.ModelProto, code: str, names: Sequence[str]) -> None:
    """Write into the model's metadata what stays in float32, if anything does."""
    key = f"roundoff.{code}"
    told = next((entry for entry in model.metadata_props if entry.key == key), None)
    if told is not None:
        told.value = json.dumps([*json.loads(told.value), *names])
    elif names:
        model.metadata_props.add(key=key, value=json.dumps(list(names)))


def kept_notes(model: onnx.ModelProto) -> list[Message]:
    """A note for each reason for which nodes of this graph stay in float32."""
    told = {entry.key.removeprefix("roundoff."): entry.value for entry in model.metadata_props}
    return [_note(code, json.loads(told[code])) for code in CODES if code in told]


def _note(code: str, names: list[str]) -> Message:
    left = len(names) - MOST_NAMED
    more: list[str | Message] = [message("and_more", count=left)] if left > 0 else []
    return message(code, count=len(names), names=[*names[:MOST_NAMED], *more])
