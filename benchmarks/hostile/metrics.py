"""Metrics, curves, noise and platform.json, as the report, the gate and evaluate read them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from numpy.random import Generator

from benchmarks.hostile.case import Case
from benchmarks.hostile.reporting import reported
from benchmarks.hostile.tampering import Tampered, broken_json, changed, found, tampered_cases, wrong_values

CELLS = ("fp32", "int8", "more")
STAGES = ("train", "export", "calibrate", "build-int8", "build-bf16")


def cases(project: Path, random: Generator) -> Iterator[Case]:
    """Files under metrics/, tampered with."""
    untouched = reported(project)
    for name in CELLS:
        file = f"metrics/{name}.json"
        good = (project / file).read_bytes()
        told = json.loads(good)
        broken = broken_json(good, random, cuts=2) if name == "int8" else ()  # all are read by one reader
        contents = [*broken, *wrong_values(told, random, 25), *impossible(name, told)]
        yield from tampered_cases(project, file, iter(contents), reported, untouched)
    for name in STAGES:
        file = f"metrics/{name}.json"
        good = (project / file).read_bytes()
        broken = broken_json(good, random, cuts=1) if name == "calibrate" else ()
        contents = [*broken, *wrong_values(json.loads(good), random, 8)]
        present = ((how, content) for how, content in contents if content is not None)  # each may be missing
        yield from tampered_cases(project, file, present, reported, untouched)
    for name, lines in (("curves", _tables("epoch,loss")), ("noise", _tables("tensor,kind,sqnr_db"))):
        file = f"metrics/{name}.csv"
        contents = [*lines, *_damaged((project / file).read_text(), name)]
        yield from tampered_cases(project, file, iter(contents), reported, untouched)
    yield from _platforms(project, random)


def impossible(name: str, told: dict[str, Any]) -> Iterator[Tampered]:
    """Figures that no run has."""
    at = ["bf16", "onnxruntime"] if name == "more" else ["onnxruntime"]
    if name == "more":
        yield changed(told, ["a/b"], told["bf16"])
        yield changed(told, [".."], told["bf16"])
        yield changed(told, ["bf16", "../x"], told["bf16"]["onnxruntime"])
        return
    samples = told["onnxruntime"]["accuracy"]["samples"]
    figures: dict[str, list[Any]] = {
        "top1": [1.5, -0.1, 0.0],
        "correct": [samples + 1, -1, 1.5],
        "samples": [0, samples - 1, 10**9],
    }
    figures |= {"top1_low": [1.0, -2], "nonfinite": [samples], "agreement": [2], "drop": [-3], "mcnemar_p": [7]}
    figures |= {"corrected": [samples + 5], "drop_low": [0.9], "relative_accuracy_low": [5.0]}
    for key, values in figures.items():
        for value in values:
            yield changed(told, [*at, "accuracy", key], value)
    yield changed(told, [*at, "accuracy"], None)
    times: dict[str, list[Any]] = {
        "device_p50_ms": [-1.0, 0, 1e9, None],
        "throughput_per_s": [-5, 1e12],
        "runs": [-1, 1.5],
        "cv": [-1],
    }
    times |= {"status": ["fast", "failed"], "end_to_end_p50_low_ms": [1e6], "loads": [-3], "speedup": [-1, 0]}
    for key, values in times.items():
        for value in values:
            yield changed(told, [*at, "batch_1", key], value)
    yield changed(told, [*at, "batch_0"], told["onnxruntime"]["batch_1"])
    yield changed(told, [*at, "batch_" + "9" * 5000], told["onnxruntime"]["batch_1"])
    yield changed(told, [*at, "status"], "unavailable")
    yield changed(told, [*at, "size_mb"], -1)
    yield changed(told, ["reference"], "nothing/here")
    for version in (0, 2, 6, 99, "5", -1, 5.5, True):
        yield changed(told, ["format"], version)


def _tables(start: str) -> Iterator[Tampered]:
    yield "empty", b""
    yield "another heading", b"a,b,c\n1,2,3\n"
    yield "no UTF-8", b"\xff\xfe\x00" + start.encode()
    yield "zeros", bytes(300)
    yield "an open quote", f'{start}\n"'.encode()
    yield "a field of a million characters", f"{start}\n{'x' * 10**6}\n".encode()


def _damaged(good: str, name: str) -> Iterator[Tampered]:
    heading, first, *rest = good.splitlines()
    fields = first.split(",")

    def with_field(number: int, value: str) -> bytes:
        line = ",".join([*fields[:number], value, *fields[number + 1 :]])
        return "\n".join([heading, line, *rest, ""]).encode()

    yield "a row less a field", "\n".join([heading, ",".join(fields[:-1]), *rest, ""]).encode()
    yield "a row and a field more", "\n".join([heading, f"{first},7", *rest, ""]).encode()
    yield "a heading twice", "\n".join([heading.replace(heading.split(",")[1], heading.split(",")[0]), first]).encode()
    yield "cut", good[: len(good) // 2].rpartition(",")[0].encode()
    for value in ("text", "", "1e", "--1", "nan" if name == "noise" else "x"):
        yield f"{value!r} in the third column", with_field(2, value)
    yield "'text' in the first column", with_field(0, "text" if name == "curves" else "")
    yield "a formula", with_field(2, '=HYPERLINK("http://example.org")')


def _platforms(project: Path, random: Generator) -> Iterator[Case]:
    good = (project / "platform.json").read_bytes()
    told, untouched = json.loads(good), platform(project)
    # a part that is missing is one that was not recorded
    values = [pair for pair in wrong_values(told, random, 20) if not pair[0].endswith(": gone")]
    broken = [pair for pair in broken_json(good, random) if pair[0] != "an empty object"]
    contents = [*broken, *values, *_hosts(told)]
    yield from tampered_cases(project, "platform.json", iter(contents), platform, untouched)


def _hosts(told: dict[str, Any]) -> Iterator[Tampered]:
    yield changed(told, ["cpu", "cores"], -2)
    yield changed(told, ["memory_gb"], -1)
    yield changed(told, ["gpus"], [{"name": 5}])
    yield changed(told, ["gpus"], [None])
    yield changed(told, ["libraries"], {"onnxruntime": 1})
    yield changed(told, ["cpu"], "x86")


def platform(folder: Path) -> object:
    """The fingerprint as build and evaluate read it."""
    from roundoff.results.checked import as_json
    from roundoff.results.platform import read_platform

    told = as_json(read_platform(found(folder, "platform.json")))
    return {**told, "libraries": told["libraries"].get("onnxruntime")}  # what its engines are bound to
