"""Every network and draw, several side by side, each kept as soon as it is done."""

from __future__ import annotations

import json
import shutil
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from benchmarks.zoo.networks import LAYER_NETS, Network
from benchmarks.zoo.pipeline import TIMED, Run, StageError
from benchmarks.zoo.prepared import TRAINING_IMAGES, draw, fewer, prepare
from benchmarks.zoo.row import cells, parity, speed
from benchmarks.zoo.slots import Slots
from roundoff.system.files import sha256_of

FRAMED = ("resnet_v1", "conv_relu_bn", "mobilenet_v3")
"""Networks whose calibrators are also compared on images with a black, white or gray border."""
FIRST, LATER = ("fp32", "fp16", "int8", "bf16", "int8_int16"), ("fp32", "int8")
"""What is built in the first draw, and in the others."""
Row = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """What is measured: networks, draws of calibration images, test images, from which zip, in which folder."""

    networks: Sequence[Network]
    draws: int
    images: int
    data: Path
    work: Path
    sources: str
    peers_python: str = sys.executable
    at_once: int = 2

    def case(self, network: Network, number: int) -> Row:
        """What identifies a row: one of other sources or images is not this row."""
        return {
            "network": network.name,
            "model_sha256": sha256_of(network.path) if network.path else None,
            "draw": number,
            "test_images": self.images,
            "sources_sha256": self.sources,
        }


class Zoo:
    """Measures what `known` does not have; the arrays of each size are made once."""

    def __init__(self, plan: Plan, known: Sequence[Row]) -> None:
        self._plan, self._known = plan, known
        self._slots, self._preparing = Slots(plan.at_once), threading.Lock()
        self._archive: Path | None = None

    def rows(self) -> Iterator[Row]:
        """Rows as they get done, the known ones first."""
        missing = []
        for network in self._plan.networks:
            done = [self._kept(network, number) for number in range(self._plan.draws)]
            yield from (row for row in done if row)
            if not all(done):
                missing.append(network)
        yield from self._measured(missing)

    def _measured(self, networks: Sequence[Network]) -> Iterator[Row]:
        """In threads, a network each; what they do is in processes."""
        arrived: SimpleQueue[Row | None] = SimpleQueue()

        def work(network: Network) -> None:
            try:
                for row in self._network(network):
                    arrived.put(row)
            finally:
                arrived.put(None)

        with ThreadPoolExecutor(self._plan.at_once) as pool:
            futures = [pool.submit(work, network) for network in networks]
            ended = 0
            try:
                while ended < len(networks):
                    row = arrived.get()
                    ended += row is None
                    if row:
                        yield row
                for future in futures:
                    future.result()
            finally:
                pool.shutdown(cancel_futures=True)

    def _network(self, network: Network) -> Iterator[Row]:
        """The rows of one network that are not known, draw by draw."""
        run, recipe = self._run(network), None
        for number in range(self._plan.draws):
            if known := self._kept(network, number):
                recipe = known.get("recipes", {}).get("onnxruntime")
                continue
            case = self._plan.case(network, number)
            try:
                found = self._draw(run, number, recipe)
            except StageError as error:
                yield {**case, "failed": str(error)}
                break
            recipe = found["recipes"].get("onnxruntime")
            yield case | found
        shutil.rmtree(run.folder, ignore_errors=True)

    def _draw(self, run: Run, number: int, recipe: str | None) -> Row:
        prepared = self._prepared(run.network.size)
        draw(prepared, run.folder / "data" / "prepared", number)
        if run.network.path is None and not (run.folder / "network.keras").exists():
            self._layer_net(run)
        run.base()
        run.forget(keep_costs=number == 0)
        precisions = LATER if number else FIRST
        run.write_params(precisions)
        run.quantize(recipe)
        run.build(precisions)
        run.evaluate()
        study = None
        if number == 0:
            run.time()
            study = self._study(run)
        return {
            "parity": parity(run.folder),
            "cells": {name: asdict(cell) for name, cell in cells(run.folder).items()},
            "speed": asdict(speed(run.folder / TIMED)) if number == 0 else None,
            "refused": dict(run.refused),
            "recipes": dict(run.recipes),
            "calibrators": study,
            "costs": dict(run.costs),
        }

    def _study(self, run: Run) -> Row:
        more = ["--backgrounds"] if run.network.name in FRAMED else []
        done = run.ran("calibrators", ["-m", "benchmarks.zoo.study", str(run.folder), "0", *more])
        found: Row = json.loads(done.output.splitlines()[-1])
        return found

    def _layer_net(self, run: Run) -> None:
        assert run.network.name in LAYER_NETS, f"{run.network.name} has no file"
        arguments = ["-m", "benchmarks.zoo.layer_net", run.network.name, str(run.folder / "data" / "prepared")]
        run.ran("layer net", [*arguments, str(run.folder / "network.keras")])

    def _run(self, network: Network) -> Run:
        folder = self._plan.work / network.name.replace(" ", "_").replace(",", "")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return Run(network, folder, self._images(), self._slots, self._plan.peers_python)

    def _images(self) -> Path:
        with self._preparing:
            name = f"images_{TRAINING_IMAGES}_{self._plan.images}.zip"
            return fewer(self._plan.data, self._plan.work / name, TRAINING_IMAGES, self._plan.images)

    def _prepared(self, size: int) -> Path:
        archive = self._images()
        with self._preparing:
            return prepare(archive, self._plan.work / f"{archive.stem}_{size}", size)

    def _kept(self, network: Network, number: int) -> Row | None:
        case = self._plan.case(network, number)
        return next((row for row in self._known if case.items() <= row.items() and "failed" not in row), None)
