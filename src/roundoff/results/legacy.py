"""Metrics files without a format number, as roundoff wrote them before there was one, turned into today's.

Both are parsed JSON: `Any`, since files of before have any shape, and today's is checked by who asked for it.

Nothing else reads them. Sentences stay as they were written; what warnings say is computed again from the figures.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from roundoff.results.checked import BATCH
from roundoff.results.message import VERBATIM
from roundoff.results.precision import Types

# what the precisions were that had these names, for metrics from before `method` told it
FORMER = {
    "fp32": Types("float32", "float32", "float32"),
    "tf32": Types("tf32", "tf32", "float32"),
    "fp16": Types("float16", "float16", "float32"),
    "bf16": Types("bfloat16", "bfloat16", "float32"),
    "fp8": Types("float8_e4m3fn", "float8_e4m3fn", "float16"),
    "int8": Types("int8", "int8", "float32"),
    "int8_fp16": Types("int8", "int8", "float16"),
}
CELL = {"label": "effective_precision"}
ENERGY = {"watts": "power_w", "seconds": "measured_s"}
TIMING = {"variation": "cv", "stopped": "stop_reason", "seconds": "measured_s", "facts": "binding_info"}
SETTINGS = {"untimed": "accuracy_only", "spread": "multi_gpu", "rotate": "input_buffers", "control": "aa_control"}
TARGET = {"keep": "min_relative_accuracy", "points": "max_drop_points"}
COUNTED = {
    "rounded_only": re.compile(
        r"of (?P<total>\d+) convolutions and matrix products, (?P<counts>.+) instead of (?P<named>\w+): "
        r"values rounded to the precision, multiplied in another type(?:; (?P<rest>.+))?"
    ),
    "multiplying_layers": re.compile(r"convolutions and matrix products: (?P<counts>.+)"),
}
ENDS = ("", "_low", "_high")
ACCURACY = {f"kept{end}": f"relative_accuracy{end}" for end in ENDS} | {"lost": "regressed", "gained": "corrected"}


def metrics_file(content: Any) -> Any:
    """fp32.json and its like: BACKEND → cell; more.json: PRECISION → BACKEND → cell."""
    head = {"platform": content.get("platform"), "reference": content.get("reference")}
    head["method"] = _method(content.get("method") or {})
    return head | {key: _cells(value) for key, value in content.items() if key not in head}


def verdict_file(content: Any) -> Any:
    """verdict.json."""
    return {
        "platform": content.get("platform"),
        "reference": content.get("reference"),
        "target": _renamed(content.get("target"), TARGET),
        "cells": {name: _cell_verdict(cell) for name, cell in (content.get("cells") or {}).items()},
        "front": content.get("front") or [],
        "recommendations": {
            use: {**each, "not_timed": each.get("untimed") or []}
            for use, each in (content.get("recommendations") or {}).items()
        },
    }


def build_file(content: Any) -> Any:
    """build-PRECISION.json."""
    return {backend: _build(build) for backend, build in content.items()}


def _cells(value: Any) -> Any:
    return _cell(value) if "status" in value else {backend: _cell(cell) for backend, cell in value.items()}


def _cell(old: Any) -> Any:
    cell = _renamed(old, CELL) or {}
    cell |= {"reason": _said(old.get("reason")), "notes": _notes(old.get("note"))}
    cell["accuracy"] = _renamed(old.get("accuracy"), ACCURACY)
    cell["energy"] = _energy(old.get("energy"))
    cell["numerics"] = _numerics(old.get("numerics"))
    batches = {key: _batch(value) for key, value in old.items() if key.startswith(BATCH) and value}
    return {key: value for key, value in cell.items() if not key.startswith(BATCH)} | batches


def _numerics(old: Any) -> Any:
    """For a time all that the engine told stood one level deeper."""
    told = (old or {}).get("layer_types") or {}
    return None if old is None else {**old, **told} if "layer_types" in told else dict(old)


def _energy(old: Any) -> Any:
    energy = _renamed(old, ENERGY)
    return energy and energy | {key: _said(energy.get(key)) for key in ("reason", "source")}


def _batch(old: Any) -> Any:
    batch = _renamed(old, TIMING) or {}
    info = batch.get("binding_info") or {}
    batch["binding_info"] = info | {"no_cuda_graph_reason": _said(info.get("no_cuda_graph_reason"))}
    batch["status"] = old.get("status") or ("unavailable" if old.get("reason") else "measured")
    batch |= {key: _said(old.get(key)) for key in ("reason", "speedup_reason")}
    batch["warnings"] = [_warning(text, old) for text in old.get("warnings") or []]
    return batch


def _warning(text: str, old: Any) -> Any:
    """The code by the first words; the values from the figures that they were made of."""
    info, device = old.get("facts") or {}, old.get("device_p50_ms")
    rounds = re.search(r"\d+", text)
    known: dict[str, tuple[str, Any]] = {
        "noisy": ("noisy", {"cv": old.get("variation")}),
        "host-bound": ("host_bound", {"enqueue_ms": info.get("enqueue_ms"), "device_ms": device}),
        "copy-bound": ("copy_bound", {"copy_ms": info.get("copy_ms"), "device_ms": device}),
        "CUDA graph": ("graph_matters", {"replay_ms": device, "enqueued_ms": info.get("enqueued_device_ms")}),
        "throttled": ("throttled", {"rounds": int(rounds.group()) if rounds else 0}),
    }
    code, values = known.get(text.partition(":")[0], (VERBATIM, {"text": text}))
    return {"code": code, "values": values} if None not in values.values() else _said(text) or {}


def _method(old: Any) -> Any:
    return {
        "evaluate": _renamed(old.get("evaluate") or {}, SETTINGS),
        "precisions": {name: asdict(types) for name, types in FORMER.items()},
        "test_set": old.get("test_set"),
        "chance": old.get("chance"),
        "devices": {name: _device(device) for name, device in (old.get("devices") or {}).items()},
    }


def _device(old: Any) -> Any:
    device = dict(old) | {"conditions_reason": _said(old.get("conditions_reason")), "cells": old.get("cells") or []}
    conditions = dict(old.get("conditions") or {})
    if (reasons := conditions.get("throttle_reasons")) is not None:
        conditions["throttle_reasons"] = [re.sub(r"\W+", "_", reason).strip("_") for reason in reasons]
    control = device.pop("control", None)
    return device | {"conditions": conditions or None, "aa_control": _control(control) if control else None}


def _control(old: Any) -> Any:
    batches = {key: value | {"speedup_reason": None} for key, value in old.items() if key.startswith(BATCH)}
    return {"cell": old.get("cell"), **batches}


def _cell_verdict(old: Any) -> Any:
    noise, speed = old.get("speed_margin"), old.get("speed") or {}
    floors = noise if isinstance(noise, dict) else dict.fromkeys(speed, noise or 0.0)
    batches = {key: {"speed": difference, "noise_floor": floors.get(key) or 0.0} for key, difference in speed.items()}
    return {
        "verdict": old.get("verdict"),
        "criteria": [_criterion(check) for check in old.get("checks") or []],
        **batches,
    }


def _criterion(old: Any) -> Any:
    """The reason stays where there is no figure, since nothing else says why."""
    name, value, text = old["name"], old.get("found"), str(old.get("reason") or "")
    why = text.partition(" is not known: ")[2].rpartition("; target ")[0] or text
    return dict(old) | {"name": TARGET.get(name, name), "value": value, "reason": _said(why) if value is None else None}


def _build(old: Any) -> Any:
    info = dict(old.get("facts") or {})
    info["notes"] = _notes(info.pop("note", None))
    status = old.get("status") or "built"
    return {
        **old,
        "status": status,
        "reason": _said(old.get("reason")),
        "build_info": info if status == "built" else None,
    }


def _renamed(old: Any, names: Mapping[str, str]) -> Any:
    return None if old is None else {names.get(key, key): value for key, value in old.items()}


def _said(text: object) -> Any:
    return {"code": VERBATIM, "values": {"text": str(text)}} if text else None


def _notes(text: object) -> list[Any]:
    for code, pattern in COUNTED.items():
        if match := pattern.fullmatch(str(text or "")):
            values = match.groupdict()
            return [{"code": code, "values": values}, *_notes(values.pop("rest", None))]
    said = _said(text)
    return [said] if said else []
