"""Trained models as export and build read them: model.json, Keras' archive, an ONNX file, a SavedModel."""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator

from benchmarks.hostile.case import Case, same
from benchmarks.hostile.crafted import crafted
from benchmarks.hostile.tampering import (
    Content,
    Key,
    Tampered,
    broken_bytes,
    broken_json,
    changed,
    found,
    mirrored,
    replaced,
    tampered_cases,
    wrong_values,
)

FOLDER, PREPARED, GRAPH = "models/trained", "data/prepared", "models/onnx/model.onnx"
TOLD, KERAS = f"{FOLDER}/model.json", f"{FOLDER}/model.keras"
ONNX, SAVED = f"{FOLDER}/model.onnx", f"{FOLDER}/saved_model"
IMAGES = 8


def cases(project: Path, random: Generator) -> Iterator[Case]:
    """What lies in models/trained, in each form that it may have."""
    yield from _keras_cases(project, random)
    graph = (project / GRAPH).read_bytes()
    yield from _of_form(ONNX, _onnx_contents(graph, random), partial(_as_onnx, project), project)
    yield from _saved_cases(project, random)


def _keras_cases(project: Path, random: Generator) -> Iterator[Case]:
    untouched, archive = keras(project), (project / KERAS).read_bytes()
    told = (project / TOLD).read_bytes()
    described = [*broken_json(told, random), *wrong_values(json.loads(told), random, 12), *_descriptions(told)]
    yield from tampered_cases(project, TOLD, iter(described), keras, untouched)
    yield from tampered_cases(project, KERAS, broken_bytes(archive, random, cuts=6, flips=24), keras, untouched)
    contents = _archives(archive, random)
    yield from _of_form(KERAS, contents, partial(_described, project, "keras"), project, untouched)


def _saved_cases(project: Path, random: Generator) -> Iterator[Case]:
    """A SavedModel that somebody put there, its description without a hash."""
    with tempfile.TemporaryDirectory() as scratch:
        _save(project, Path(scratch))
        good = {path.relative_to(scratch).as_posix(): path.read_bytes() for path in Path(scratch).rglob("*.*")}
    for name in ("saved_model.pb", "variables/variables.index"):
        for how, content in broken_bytes(good[name], random, cuts=2, flips=0):
            members = {**good, name: content}
            yield Case(f"{SAVED}/{name}", how, partial(_as_saved, project, members), _same_as(project))
    for name in good:
        members = {key: value for key, value in good.items() if key != name}
        yield Case(f"{SAVED}/{name}", "gone", partial(_as_saved, project, members), _same_as(project))


def _save(project: Path, folder: Path) -> None:
    import tensorflow as tf

    from roundoff.export.source import opened

    network = opened(project / KERAS)
    kind = tf.TensorSpec([None, *network.inputs[0].shape[1:]], tf.uint8, name="image")
    served = tf.function(lambda image: {"logits": network(image, training=False)}, input_signature=[kind])
    module = tf.Module()
    module.served, module.held = served, network.variables
    tf.saved_model.save(module, str(folder), signatures=served)


def _as_saved(project: Path, members: dict[str, Content], folder: Path) -> object:
    mirrored(project, folder)
    replaced(folder, KERAS, None)
    for name, content in members.items():
        replaced(folder, f"{SAVED}/{name}", content)
    return _exported("saved_model", "saved_model", folder)


def _of_form(
    file: str,
    contents: Iterator[Tampered],
    put: Callable[[Content, Path], object],
    project: Path,
    untouched: object | None = None,
) -> Iterator[Case]:
    for how, content in contents:
        yield Case(file, how, partial(put, content), same(untouched) if untouched is not None else _same_as(project))


def _same_as(project: Path) -> Callable[[Any], bool]:
    """As near to the untouched graph's answers as export asks for."""
    expected = _run((project / GRAPH).read_bytes(), project)
    return lambda value: value.shape == expected.shape and np.allclose(value, expected, rtol=1e-3, atol=1e-3)


def keras(folder: Path) -> object:
    """Read the Keras model as export and LiteRT's conversion do, and run it."""
    from roundoff.dataset.base import Prepared
    from roundoff.export.source import load
    from roundoff.training.trained import keras_form, read_trained

    prepared, trained = Prepared(found(folder, PREPARED)), read_trained(found(folder, FOLDER))
    keras_form(found(folder, FOLDER))
    network = load(trained.path, prepared)
    return np.asarray(network(prepared.split("test").images[:IMAGES], training=False))


def _described(project: Path, form: str, content: Content, folder: Path) -> object:
    """A file that somebody put there with its description: what model.json says of the file is true."""
    mirrored(project, folder)
    replaced(folder, KERAS, content)
    told = json.loads((project / TOLD).read_bytes()) | {"form": form}
    if "sha256" in told:
        told["sha256"] = hashlib.sha256(content or b"").hexdigest()
    replaced(folder, TOLD, json.dumps(told).encode())
    return keras(folder)


def _as_onnx(project: Path, content: Content, folder: Path) -> object:
    mirrored(project, folder)
    replaced(folder, KERAS, None)
    replaced(folder, ONNX, content)
    return _exported("onnx", "model.onnx", folder)


def _exported(form: str, file: str, folder: Path) -> object:
    """Export what lies in the folder of the trained model, and run it."""
    from roundoff.dataset.base import Prepared
    from roundoff.export.onnx_from_keras import Export

    replaced(folder, TOLD, json.dumps({"format": 1, "form": form, "file": file}).encode())
    out = folder / "exported.onnx"
    export = Export(opset=18, parity_images=IMAGES, tolerance=1e-3)
    export.onnx_from_trained(found(folder, FOLDER), Prepared(found(folder, PREPARED)), out)
    return _run(out.read_bytes(), folder)


def _run(graph: bytes, folder: Path) -> Any:
    import onnxruntime as ort

    from roundoff.dataset.base import Prepared

    session = ort.InferenceSession(graph, providers=["CPUExecutionProvider"])
    images = Prepared(folder / PREPARED).split("test").images[:IMAGES]
    return session.run(None, {session.get_inputs()[0].name: np.asarray(images)})[0]


def _onnx_contents(graph: bytes, random: Generator) -> Iterator[Tampered]:
    yield from broken_bytes(graph, random, cuts=6, flips=0)
    yield from crafted(graph)


def _descriptions(told: bytes) -> Iterator[Tampered]:
    content = json.loads(told)
    for file in ("../../platform.json", "/etc/passwd", "", ".", "..", "model.json", "no such file", "model.keras\0"):
        yield changed(content, ["file"], file)
    for form in ("onnx", "saved_model", "pickle", "", "KERAS"):
        yield changed(content, ["form"], form)
    for version in (0, 2, "1", 1.5, None):
        yield changed(content, ["format"], version)
    yield "of another file", json.dumps({**content, "sha256": "0" * 64}).encode()


def _members(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def _zip(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def _archives(archive: bytes, random: Generator) -> Iterator[Tampered]:
    """Archives that Keras did not write."""
    members = _members(archive)
    for name in members:
        yield f"without {name}", _zip({key: value for key, value in members.items() if key != name})
        yield f"{name} empty", _zip({**members, name: b""})
        yield f"{name} cut", _zip({**members, name: members[name][: len(members[name]) // 2]})
    for name in ("../../../evil.txt", "/tmp/evil.txt", "a/../../evil.txt"):
        yield f"a member {name}", _zip({**members, name: b"evil"})
    yield "a bomb", _zip({**members, "assets/bomb": bytes(64 << 20)})
    yield "a zip of nothing", _zip({})
    yield "a zip of others", _zip({"a.txt": b"a"})
    config = json.loads(members["config.json"])
    for how, content in (*broken_json(members["config.json"], random), *_configs(config)):
        if content is not None:
            yield f"config.json: {how}", _zip({**members, "config.json": content})


def _configs(config: dict[str, Any]) -> Iterator[Tampered]:
    layers: list[Key] = ["config", "layers"]
    number = next(i for i, layer in enumerate(config["config"]["layers"]) if layer["class_name"] == "Conv2D")
    at = [*layers, number]
    code = {"class_name": "__lambda__", "config": {"code": "4wEAAAA=", "defaults": None, "closure": None}}
    evil: dict[str, Any] = {"module": "keras.layers", "class_name": "Lambda", "registered_name": None}
    evil |= {"config": {"name": "evil", "function": code, "output_shape": None, "arguments": {}}}
    evil |= {"name": "evil", "inbound_nodes": config["config"]["layers"][number]["inbound_nodes"]}
    yield "a Lambda", changed(config, at, evil)[1]
    for module, name in (("os", "system"), ("builtins", "eval"), ("subprocess", "Popen"), ("nowhere", "Layer")):
        stranger = {**config["config"]["layers"][number], "module": module, "class_name": name, "registered_name": name}
        yield f"a layer {module}.{name}", changed(config, at, stranger)[1]
    yield "2^40 filters", changed(config, [*at, "config", "filters"], 2**40)[1]
    yield "−1 filters", changed(config, [*at, "config", "filters"], -1)[1]
    yield "another number of filters", changed(config, [*at, "config", "filters"], 5)[1]
    yield "strides of 0", changed(config, [*at, "config", "strides"], [0, 0])[1]
    yield "an activation os.system", changed(config, [*at, "config", "activation"], "os.system")[1]
    yield "no layers", changed(config, layers, [])[1]
    yield "a layer twice", changed(config, layers, [*config["config"]["layers"], config["config"]["layers"][1]])[1]
    yield "no inbound nodes", changed(config, [*at, "inbound_nodes"], [])[1]
    yield "a Sequential", changed(config, ["class_name"], "Sequential")[1]
    yield "images of another size", changed(config, [*layers, 0, "config", "batch_shape"], [None, 32, 32, 3])[1]
    yield "float images", changed(config, [*layers, 0, "config", "dtype"], "float32")[1]
