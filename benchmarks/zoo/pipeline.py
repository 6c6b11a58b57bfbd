"""One network through roundoff's own stages, other tools' graphs beside ours as `given`, in a folder of its own."""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from benchmarks.commands import ROOT
from benchmarks.process import Ran, ran
from benchmarks.zoo.networks import Network
from benchmarks.zoo.peer import APART, PEERS, given, missing
from benchmarks.zoo.slots import Slots

IMAGES = 320
TIMED = "timed"
"""The folder of the cells that are timed."""
RACING = ("fp32", "int8", "given_onnxruntime")
TIMING = {"min_seconds": 0.8, "min_loads": 10, "budget_seconds": 15.0, "interval_target": 0.02, "aa_control": False}
BACKENDS = ("onnxruntime", "litert")
_composing = threading.Lock()


class StageError(Exception):
    """A stage that ended with an error: which, and its last words, without where this checkout lies."""

    def __init__(self, stage: str, done: Ran) -> None:
        lines = [line for line in done.errors.splitlines() if line.strip()]
        first = next((i for i, line in enumerate(lines) if line.startswith("error:")), -8)
        words = " ".join(" ".join(lines[first:]).split()).replace(f"{ROOT}/", "")
        super().__init__(f"{stage}: exit code {done.code}: {words[:1500]}")


@dataclass
class Run:
    """A network's folder, and what each stage in it took.

    `given` and `refused` are the peers of this draw, `recipes` what they chose; `peers_python` is the interpreter of
    those that are no dependency.
    """

    network: Network
    folder: Path
    images: Path
    slots: Slots
    peers_python: str = sys.executable
    costs: dict[str, dict[str, float]] = field(default_factory=dict)
    given: dict[str, Path] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    recipes: dict[str, str] = field(default_factory=dict)
    _precisions: Sequence[str] = ()

    def base(self) -> None:
        """What no draw changes: the float graph, as ONNX and for LiteRT."""
        if (self.folder / "based").exists():
            return
        self.write_params(["fp32", "fp16", "int8", "bf16", "int8_int16"])
        for name in ("probe", "train", "export"):
            self.stage(name, name)
        (self.folder / "based").touch()

    def quantize(self, recipe: str | None) -> None:
        """Calibrate and build ours, and let each peer quantize; `recipe` is quantize_static's, None to choose it."""
        self.stage("calibrate", "calibrate")
        for name in PEERS:
            self._peer(name, recipe)
        if self.network.given:
            self.given["given"] = self.network.given

    def build(self, precisions: Sequence[str]) -> None:
        """Build ours and the given ones, those that are refused left out."""
        self.write_params(precisions)
        for name in precisions:
            if not (self._engines / name).exists():
                self.stage(f"build {name}", "build", f"build.precision={name}")
        for name in list(self.given):
            try:
                self.stage(f"build {name}", "build_given", f"build.precision={name}")
            except StageError as error:
                self.refused[name] = str(error)
                del self.given[name]
        self.write_params(precisions)

    def evaluate(self) -> None:
        """The answers of every cell."""
        self.write_params(self._precisions, evaluate={"accuracy_only": list(BACKENDS)})
        self.stage("evaluate", "evaluate")

    def time(self) -> None:
        """FP32, our INT8 and quantize_static's in turns, the machine to themselves; found in TIMED."""
        engines = self.folder / TIMED / "engines"
        shutil.rmtree(engines, ignore_errors=True)
        for name in RACING:
            if (self._engines / name).exists():
                shutil.copytree(self._engines / name, engines / name, copy_function=os.link)
        own = {name: f"{TIMED}/{name}" for name in ("engines", "metrics", "predictions", "timings")}
        self.write_params(self._precisions, evaluate=TIMING, paths=own)
        self.stage("evaluate, timed", "evaluate", alone=True)

    def stage(self, name: str, script: str, *more: str, alone: bool = False) -> None:
        """Run one of roundoff's stages here; raises StageError."""
        arguments = [str(ROOT / "stages" / f"{script}.py"), "-cn", "frozen", *more]
        self.ran(name, arguments, alone)

    def write_params(self, precisions: Sequence[str], **more: Mapping[str, Any]) -> None:
        """Compose params.yaml for our precisions and the given ones; `more` are settings by section."""
        from dvc.utils.hydra import compose_and_dump

        self._precisions = precisions
        with _composing:  # Hydra has one state for all threads
            compose_and_dump(
                self.folder / "params.yaml", str(ROOT / "conf"), None, "config", str(ROOT), self._overrides(precisions)
            )
        params = yaml.safe_load((self.folder / "params.yaml").read_text(encoding="utf-8"))
        target = "roundoff.precision.given.Given"
        params["given"] = {name: {"_target_": target, "path": str(path)} for name, path in self.given.items()}
        params["evaluate"]["lock_directory"] = str(self.folder)
        for section, settings in more.items():
            params[section] |= settings
        (self.folder / "params.yaml").write_text(yaml.safe_dump(params, allow_unicode=True), encoding="utf-8")

    def forget(self, keep_costs: bool) -> None:
        """Leave a draw nothing of the one before."""
        self.costs, self.given, self.refused = self.costs if keep_costs else {}, {}, {}
        for made in [*self._engines.glob("*"), self.folder / "given"]:
            if made.name != "fp32":  # which no draw changes
                shutil.rmtree(made, ignore_errors=True)
        (self.folder / "given").mkdir()

    @property
    def _engines(self) -> Path:
        return self.folder / "models" / "engines"

    def _overrides(self, precisions: Sequence[str]) -> list[str]:
        path = self.network.path or self.folder / "network.keras"
        return [
            "dataset=image_folder",
            f"dataset.path={self.images}",
            f"dataset.size={self.network.size}",
            f"model={self.network.form}",
            f"model.path={path}",
            *(f"model.{key}={value}" for key, value in self.network.settings.items()),
            f"precision=[{','.join(dict.fromkeys(['fp32', 'fp16', 'int8', *precisions]))}]",
            f"backend=[{','.join(BACKENDS)}]",
            f"calibrate.images={IMAGES}",
        ]

    def _peer(self, name: str, recipe: str | None) -> None:
        python = self.peers_python if name in APART else sys.executable
        if why := self._lacks(name, python):
            self.refused[f"given_{name}"] = why
            return
        arguments = ["-m", "benchmarks.zoo.peer", name, str(self.folder), "--images", str(IMAGES)]
        arguments += ["--recipe", recipe] if recipe and name == "onnxruntime" else []
        try:
            done = self.ran(f"quantize by {name}", arguments, python=python)
        except StageError as error:
            self.refused[f"given_{name}"] = str(error)
            return
        self.recipes[name] = json.loads(done.output.splitlines()[-1])["recipe"]
        self.given[f"given_{name}"] = given(self.folder, name)

    def _lacks(self, name: str, python: str) -> str | None:
        if name == "tflite" and self.network.form == "onnx_file":
            return "TensorFlow's converter reads Keras models, and this one is an ONNX file"
        package = missing(name, python)
        return f"{package} is not installed" if package else None

    def ran(self, name: str, arguments: Sequence[str], alone: bool = False, python: str = sys.executable) -> Ran:
        """A program, in one of the slots or alone; raises StageError."""
        with self.slots.alone() if alone else self.slots.beside_others():
            done = ran(*arguments, folder=self.folder, python=python)
        if done.code:
            raise StageError(name, done)
        self.costs[name] = {"seconds": done.seconds, "peak_mb": done.peak_mb}
        return done
