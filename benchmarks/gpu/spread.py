"""Holds the stage evaluate on several GPUs of one host against the same on one: the same results, in less time?

    python -m benchmarks.gpu spread --images data/prepared --out spread.json --check

builds ResNet-8 and ResNet-20 (`--onnx` names others) at FP32 and FP16 for TensorRT-RTX, and evaluates each at batches
of 1, 32, 1024 and 8192, by the schedule that a user has, under one GPU and under two. Kernels are compiled before.
`--check` exits with 1 where the wall time, start included, is over 0.55 of one GPU's for two (in general: 1 ÷ devices,
and 0.05 for what is not shared), a cell's device time differs by more than 10 % (two GPUs of one model do differ),
answers differ, a cell or batch size is missing, or another number of devices took part.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.commands import ROOT
from benchmarks.gpu.harness import commit, named_paths, visible_gpus
from benchmarks.gpu.spread_job import PRECISIONS, SETTINGS, Job, backends
from roundoff.system.files import write_json

MOST_APART = 0.10
NOT_SHARED = 0.05
SAME_ANSWERS = 1e-3
MODELS = ("resnet8", "resnet20")


def compared(one: Mapping[str, Any], several: Mapping[str, Any], devices: int) -> dict[str, Any]:
    """Several GPUs' evaluations over one's, by model as `figures` and `wall_s` have them.

    Ratios of device time by cell and batch, of wall time by model and in all; `missed` lists what is out of bounds.
    """
    ratios = {name: ratio for model in one for name, ratio in _time_ratios(model, one[model], several[model])}
    walls = [sum(report["wall_s"] for report in side.values()) for side in (one, several)]
    wall, most = walls[1] / walls[0], 1 / devices + NOT_SHARED
    missed = [fault for model in one for fault in _faults(model, one[model], several[model], devices)]
    missed += [f"{name}: {ratio:.3f}" for name, ratio in ratios.items() if abs(ratio - 1) > MOST_APART]
    missed += [f"wall time: {wall:.3f}, at most {most:.3f}"] if wall > most else []
    return {
        "devices": devices,
        "device_ms_ratio": ratios,
        "wall_s": walls,
        "wall_ratio": wall,
        "wall_ratio_by_model": {model: several[model]["wall_s"] / one[model]["wall_s"] for model in one},
        "missed": missed + ([] if ratios else ["no cell in common"]),
    }


def _time_ratios(model: str, one: Mapping[str, Any], several: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, cell in one["cells"].items():
        there = several["cells"].get(name, {}).get("device_ms", {})
        for batch, ms in cell["device_ms"].items():
            if ms and there.get(batch):
                yield f"{model}/{name}, batch {batch}", there[batch] / ms


def _faults(model: str, one: Mapping[str, Any], several: Mapping[str, Any], devices: int) -> Iterator[str]:
    """What keeps two evaluations from being of the same thing."""
    for side, count in ((one, 1), (several, devices)):
        if len(side["devices"]) != count:
            yield f"{model}: {len(side['devices'])} devices took part, not {count}"
    if one["machine"] != several["machine"]:
        yield f"{model}: machines {one['machine']} and {several['machine']}"
    for name in sorted(one["cells"].keys() | several["cells"].keys()):
        a, b = (side["cells"].get(name, {"status": "absent"}) for side in (one, several))
        if a["status"] == b["status"] == "unavailable" and name.split("/")[0] not in PRECISIONS:
            continue
        if {a["status"], b["status"]} != {"measured"}:
            yield f"{model}/{name}: {a['status']} and {b['status']} ({a.get('reason') or b.get('reason')})"
            continue
        if a["samples"] != b["samples"] or abs(a["correct"] - b["correct"]) > SAME_ANSWERS * a["samples"]:
            yield f"{model}/{name}: {a['correct']} and {b['correct']} of {a['samples']} and {b['samples']} right"
        for batch in sorted(a["device_ms"].keys() | b["device_ms"].keys(), key=int):
            if not (a["device_ms"].get(batch) and b["device_ms"].get(batch)):
                yield f"{model}/{name}, batch {batch}: not timed by both"


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """Build and evaluate each model under one GPU and under several; the reports of both, compared."""
    gpus = visible_gpus(options.devices)
    settings = (backends(), *SETTINGS, *options.settings)
    jobs = [Job(name, onnx, options.images, options.work / name, settings) for name, onnx in options.onnx.items()]
    one, several = dict[str, Any](), dict[str, Any]()
    for job in jobs:
        job.build()
        one[job.name] = job.evaluated(gpus[:1])
        several[job.name] = job.evaluated(gpus)
        print(f"{job.name}: {one[job.name]['wall_s']:.1f} and {several[job.name]['wall_s']:.1f} s", file=sys.stderr)
    about = {"commit": commit(), "settings": list(settings), "gpus": gpus}
    return {**about, **compared(one, several, options.devices), "one": one, "several": several}


def main(arguments: Sequence[str]) -> int:
    """Measure, compare, write, print; 1 if `--check` finds something out of bounds."""
    options = _parsed(arguments)
    found = measured(options)
    write_json(options.out, found)
    ratios = list(found["device_ms_ratio"].values()) or [float("nan")]
    print(f"device time {min(ratios):.3f} to {max(ratios):.3f} of one GPU's, wall time {found['wall_ratio']:.3f}")
    print(json.dumps(found["wall_ratio_by_model"]))
    for line in found["missed"]:
        print(f"MISSED {line}")
    return 1 if options.check and found["missed"] else 0


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("settings", nargs="*", metavar="KEY=VALUE", help="further settings of the stages")
    parser.add_argument("--onnx", action="append", metavar="NAME=PATH", help="an exported FP32 graph")
    parser.add_argument("--images", type=Path, required=True, help="what the prepare stage wrote")
    parser.add_argument("--devices", type=int, default=2, help="GPUs of the second evaluation")
    parser.add_argument("--work", type=Path, default=Path("build/spread"), help="where engines and metrics go")
    parser.add_argument("--out", type=Path, default=Path("spread.json"))
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args(arguments)
    if options.devices < 2:
        parser.error("--devices starts at 2")
    given = options.onnx or [f"{name}={ROOT / 'results/models' / name}.onnx" for name in MODELS]
    options.onnx = dict(named_paths(parser, given))
    options.work = options.work.resolve()
    return options
