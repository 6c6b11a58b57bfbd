"""Holds the harness's figures from several GPUs against those from one: the same numbers, in less time?

    python -m benchmarks.gpu spread spread-1.json spread-2.json --out spread.json --check

`--check` exits with 1 where a cell's device time differs by more than 10 % (two GPUs of one model do differ), a cell is
missing, the wall time is over 0.65 of one GPU's for two (in general: 1 ÷ devices, and 0.15 for what is not shared), or
the two were not measured by the same sources, on the same machine, with the same models, images and settings.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

MOST_APART = 0.10
NOT_SHARED = 0.15
SETTINGS = ("module", "precisions", "batches", "peer_batches", "rounds", "loads", "round_ms", "cold")


def compared(one: dict[str, Any], several: dict[str, Any]) -> dict[str, Any]:
    """Ratios, several over one: device time by cell and batch, and wall time; `missed` lists what is out of bounds."""
    first, second = device_ms(one), device_ms(several)
    ratios = {name: second[name] / first[name] for name in first if name in second}
    wall, most = several["wall_s"] / one["wall_s"], 1 / several["devices"] + NOT_SHARED
    ran_one, ran_several = conditions(one), conditions(several)
    missed = [f"{key}: {ran_one[key]} and {ran_several[key]}" for key in ran_one if ran_one[key] != ran_several[key]]
    missed += [f"{name}: measured by one of the two alone" for name in sorted(first.keys() ^ second.keys())]
    missed += [f"{name}: {ratio:.3f}" for name, ratio in ratios.items() if abs(ratio - 1) > MOST_APART]
    missed += [f"wall time: {wall:.2f}, at most {most:.2f}"] if wall > most else []
    missed += [] if ratios else ["no cell in common"]
    return {
        "platform": several["platform"],
        "devices": several["devices"],
        "device_ms_ratio": ratios,
        "wall_s": [one["wall_s"], several["wall_s"]],
        "wall_ratio": wall,
        "missed": missed,
    }


def conditions(report: dict[str, Any]) -> dict[str, Any]:
    """What two reports must have in common to be compared."""
    options = report.get("options", {})
    return {
        "machine": report["platform"].get("id"),
        "commit": report.get("commit"),
        "models and images": sorted(value[:12] for value in report.get("sha256", {}).values()),
        **{name: options.get(name) for name in SETTINGS},
    }


def device_ms(report: dict[str, Any]) -> dict[str, float]:
    """Device time of each measured cell and batch size, by "MODEL/PRECISION, batch N"."""
    return {
        f"{name}, batch {batch}": row["device_ms"]
        for name, cell in report["cells"].items()
        for batch, row in cell.get("batches", {}).items()
        if row["status"] == "measured"
    }


def main(arguments: list[str]) -> int:
    """Compare, write, print; 1 if `--check` finds something out of bounds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("one", type=Path, help="the harness's JSON from one GPU")
    parser.add_argument("several", type=Path, help="and from several")
    parser.add_argument("--out", type=Path, default=Path("spread.json"))
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args(arguments)
    found = compared(*(json.loads(path.read_text(encoding="utf-8")) for path in (options.one, options.several)))
    options.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    ratios = list(found["device_ms_ratio"].values()) or [float("nan")]
    print(f"device time {min(ratios):.3f} to {max(ratios):.3f} of one GPU's, wall time {found['wall_ratio']:.2f}")
    for line in found["missed"]:
        print(f"MISSED {line}")
    return 1 if options.check and found["missed"] else 0
