import csv
import dataclasses
import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from sklearn.datasets import load_digits

from roundoff.dataset.base import Prepared
from roundoff.errors import ConfigError, GateError
from roundoff.model.keras_file import KerasFile
from roundoff.model.resnet import ResNet
from roundoff.system.files import read_json, sha256_of
from roundoff.system.keras_import import quiet_keras
from roundoff.training.curves import COLUMNS, CurveFiles
from roundoff.training.training import Training

TINY = Training(
    epochs=2,
    batch_size=32,
    learning_rate=0.1,
    warmup_fraction=0.1,
    momentum=0.9,
    weight_decay=1e-3,
    label_smoothing=0.1,
    flip=False,
    shift_pixels=1,
    validation_fraction=0.1,
    seed=0,
)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """300 training digits of 8×8 pixels, and no test split at all: training may not read it."""
    directory = tmp_path_factory.mktemp("prepared")
    digits = load_digits()
    images = np.repeat((digits.images[:300, :, :, None] * 15.9).astype(np.uint8), 3, axis=3)
    np.save(directory / "train_images.npy", images)
    np.save(directory / "train_labels.npy", digits.target[:300].astype(np.int64))
    pixels = images.reshape(-1, 3)
    manifest = {
        "classes": [str(digit) for digit in range(10)],
        "shape": [8, 8, 3],
        "channel_mean": pixels.mean(axis=0).tolist(),
        "channel_std": pixels.std(axis=0).tolist(),
    }
    (directory / "manifest.json").write_text(json.dumps(manifest))
    return Prepared(directory)


def fit(training, prepared, directory):
    return training.fit(ResNet(1, 8), prepared, directory / "trained", curves_in(directory))


def curves_in(directory):
    return CurveFiles(directory / "curves.csv", directory / "live")


@pytest.fixture(scope="module")
def trained(prepared, tmp_path_factory):
    directory = tmp_path_factory.mktemp("trained")
    return fit(TINY, prepared, directory), directory


@pytest.mark.slow  # trains
def test_training_learns_and_reports_what_it_did(trained):
    metrics, _ = trained
    assert metrics.accuracy > 0.2
    assert (metrics.epochs, metrics.train_images, metrics.validation_images) == (2, 270, 30)
    assert metrics.parameters > 10_000


@pytest.mark.slow  # trains
def test_the_curves_have_a_row_per_epoch_and_the_rate_decays_to_zero(trained):
    metrics, directory = trained
    with (directory / "curves.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert float(rows[-1]["loss"]) == metrics.loss < float(rows[0]["loss"])
    assert 0 <= float(rows[-1]["learning_rate"]) < 0.02


@pytest.mark.slow  # trains
def test_only_whole_files_are_left(trained):
    _, directory = trained
    assert sorted(path.name for path in directory.iterdir()) == ["curves.csv", "live", "trained"]
    assert sorted(path.name for path in (directory / "trained").iterdir()) == ["model.json", "model.keras"]
    described = read_json(directory / "trained/model.json")
    sha256 = sha256_of(directory / "trained/model.keras")
    assert described == {"format": 1, "form": "keras", "file": "model.keras", "trained": True, "sha256": sha256}


@pytest.mark.slow  # trains
def test_the_saved_model_takes_the_validation_accuracy_that_was_reported(trained, prepared):
    import keras

    from roundoff.training.batches import holdout

    metrics, directory = trained
    network = keras.models.load_model(directory / "trained/model.keras")
    data = prepared.split("train")
    held_out = holdout(data.labels, TINY.validation_fraction, TINY.seed)
    predicted = np.asarray(network(data.images[held_out], training=False)).argmax(axis=1)
    assert (predicted == data.labels[held_out]).mean() == pytest.approx(metrics.val_accuracy, abs=1e-6)


@pytest.mark.slow  # trains twice more
def test_the_same_seed_gives_the_same_file_and_another_one_does_not(trained, prepared, tmp_path):
    metrics, directory = trained
    again, other = tmp_path / "again", tmp_path / "other"
    assert fit(TINY, prepared, again) == metrics
    fit(dataclasses.replace(TINY, seed=1), prepared, other)
    assert sha256_of(again / "trained") == sha256_of(directory / "trained")
    assert (again / "curves.csv").read_text() == (directory / "curves.csv").read_text()
    assert sha256_of(other / "trained") != sha256_of(directory / "trained")


@pytest.mark.slow  # compiles once more
def test_a_loss_that_is_not_finite_stops_training_and_leaves_no_model(prepared, tmp_path):
    wild = dataclasses.replace(TINY, learning_rate=1e30, warmup_fraction=0.0)
    with pytest.raises(GateError, match="loss is not finite in epoch 1"):
        fit(wild, prepared, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow  # compiles once more
def test_a_batch_larger_than_the_split_still_trains(prepared, tmp_path):
    assert fit(dataclasses.replace(TINY, batch_size=1000, epochs=1), prepared, tmp_path).epochs == 1


def test_a_shift_out_of_the_frame_is_refused(prepared, tmp_path):
    with pytest.raises(ConfigError, match="shift_pixels moves images out of their frame"):
        fit(dataclasses.replace(TINY, shift_pixels=8), prepared, tmp_path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("epochs", 0),
        ("batch_size", -1),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("warmup_fraction", 1.0),
        ("momentum", 1.0),
        ("weight_decay", -0.1),
        ("label_smoothing", 1.0),
        ("shift_pixels", -1),
        ("validation_fraction", 0.0),
        ("seed", -1),
    ],
)
def test_a_setting_out_of_range_is_named(key, value):
    with pytest.raises(ConfigError, match=f"train.{key}"):
        dataclasses.replace(TINY, **{key: value})


@pytest.mark.slow  # imports TensorFlow in a process of its own
def test_importing_keras_for_training_prints_nothing():
    code = "from roundoff.system.keras_import import quiet_keras; quiet_keras()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""


def test_a_failed_import_shows_what_was_held_back():
    code = """
        import os
        from roundoff.system.held_output import held_back_stderr
        with held_back_stderr():
            os.write(2, b"why it failed")
            raise ImportError("no backend")
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True)
    assert done.returncode == 1
    assert "why it failed" in done.stderr
    assert "ImportError: no backend" in done.stderr


def test_training_needs_no_tensorflow(prepared, tmp_path):
    pytest.importorskip("jax")
    script = textwrap.dedent(
        """
        import json, sys
        class NoTensorFlow:
            def find_spec(self, name, *_):
                if name.split(".")[0] == "tensorflow":
                    raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        sys.meta_path.insert(0, NoTensorFlow())
        from pathlib import Path
        from roundoff.dataset.base import Prepared
        from roundoff.model.resnet import ResNet
        from roundoff.system.keras_import import quiet_keras
        from roundoff.training.curves import CurveFiles
        from roundoff.training.training import Training
        settings, prepared, output = json.loads(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
        curves = CurveFiles(output / "c.csv", output / "live")
        metrics = Training(**settings).fit(ResNet(1, 8), Prepared(prepared), output / "m", curves)
        assert metrics.keras_backend == "jax", metrics
        """
    )
    arguments = [json.dumps(dataclasses.asdict(TINY)), str(prepared.directory), str(tmp_path)]
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    subprocess.run([sys.executable, "-c", script, *arguments], env=environment, check=True)
    assert (tmp_path / "m/model.keras").is_file()


@pytest.mark.slow  # trains
def test_a_model_that_is_trained_is_written_as_it_is(trained, prepared, tmp_path):
    _, directory = trained
    model = KerasFile(str(directory / "trained/model.keras"))
    found = TINY.fit(model, prepared, tmp_path / "trained", curves_in(tmp_path))
    assert found.epochs == 0
    assert (tmp_path / "curves.csv").read_text().strip() == ",".join(COLUMNS)
    keras = quiet_keras()
    images = np.asarray(prepared.split("train").images[:9])
    before, after = (
        keras.models.load_model(path / "trained/model.keras").predict(images, verbose=0)
        for path in (directory, tmp_path)
    )
    np.testing.assert_array_equal(before, after)
