"""Runs in folders, made by hand: what each ships, and the hashes of what it was built from."""

from dataclasses import replace

import pytest
import yaml

from roundoff.comparison.compared import Compared
from roundoff.comparison.reading import read_runs
from roundoff.results.build import BuildMetrics
from roundoff.results.metrics import write_builds, write_metrics, write_verdict
from roundoff.results.platform import write_platform
from roundoff.system.files import write_json
from roundoff.verdict.decide import decide
from roundoff.verdict.requirements import Target
from tests.support.measured import batch, cell, metrics
from tests.support.repository import commit, git

GRAPH = "0" * 64


def digest(word):
    """A hash that begins with the word, as hexadecimal digits."""
    return word.encode().hex().ljust(64, "0")[:64]


def built(**engines):
    """What a build stage says of one backend: the graph in its precision, and the engine."""
    files = {"graph.onnx": digest(engines.get("graph", "graph")), "model.onnx": digest(engines["engine"])}
    return {"ort": BuildMetrics(status="built", sha256=files)}


def write_run(
    folder,
    machine="one",
    model="ResNet-8",
    calibrate="mse",
    network="net",
    images="images",
    regressed=0,
    speed=2.0,
    settings=None,
    reference="wide",
):
    """The metrics of fp32 and int8 on ort; int8's engine depends on the network and on `calibrate`, fp32's on the
    network alone. Absolute times follow the machine's name, so that no two machines are alike."""
    ms = 1.0 + len(machine)
    small = cell(regressed=regressed, ms=ms / speed, size=0.3)
    faster = batch(ms / speed, speed, end_to_end_speedup=speed, end_to_end_speedup_low=0.99 * speed)
    small = replace(small, batches={1: replace(faster, end_to_end_speedup_high=1.01 * speed)})
    found = metrics(platform=machine, fp32__ort=cell(ms=ms), int8__ort=small)
    found = replace(found, method=replace(found.method, test_set=images))
    place = folder / "metrics"
    write_metrics(found, place)
    write_verdict(replace(decide(found, Target(batch_size=1)), platform=machine), place)
    write_builds("fp32", built(graph=network, engine=f"{network}-{reference}"), place)
    write_builds("int8", built(graph=f"{network}-{calibrate}", engine=f"{network}-{calibrate}"), place)
    write_json(place / "calibrate.json", {"method": calibrate})
    write_json(place / "train.json", {"model": model})
    write_platform(found.platform, folder / "platform.json")
    if settings is not None:
        (folder / "params.yaml").write_text(yaml.safe_dump(settings))
    return folder


@pytest.fixture
def compared(tmp_path, monkeypatch):
    """`compared(a={…}, b={…}, by=…)`: runs in folders of these names, each as `write_run` takes it."""
    monkeypatch.chdir(tmp_path)

    def make(by=None, **runs):
        for name, told in runs.items():
            write_run(tmp_path / name, **told)
        return Compared(read_runs(tmp_path, "metrics", list(runs)), by)

    return make


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project in git with a run of machine one, committed; the current folder."""
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "repository/inner"
    folder.mkdir(parents=True)
    git(folder.parent, "init", "-q", "-b", "main", ".")
    write_run(folder, settings={"train": {"epochs": 1}})
    commit(folder)
    monkeypatch.chdir(folder)
    return folder
