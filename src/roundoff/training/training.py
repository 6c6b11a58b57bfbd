"""Training with Keras 3 alone, so that any of its backends can run it (KERAS_BACKEND)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from roundoff.dataset.base import Prepared, Split
from roundoff.errors import ConfigError, GateError
from roundoff.model.base import AnyModel, Model, Saved, TakenModel
from roundoff.model.taking.keras_wrapping import save
from roundoff.pipeline.limits import MOST_BATCH, MOST_PIXELS, MOST_SEED, require
from roundoff.results.preparation import TakenMetrics, TrainedMetrics
from roundoff.system import own
from roundoff.system.files import whole_directory
from roundoff.system.keras_import import quiet_keras
from roundoff.system.progress import Bar, progress_bar
from roundoff.training.batches import TrainingBatches, ValidationBatches, holdout, py_dataset
from roundoff.training.curves import CurveFiles, curve_row
from roundoff.training.taking import take
from roundoff.training.trained import describe

if TYPE_CHECKING:
    import keras

MOST_EPOCHS = 100_000


@dataclass(frozen=True)
class Training:
    """SGD with Nesterov momentum; linear warm-up over `warmup_fraction` of all steps, then cosine decay to 0.

    `weight_decay` is decoupled (Loshchilov & Hutter, arXiv:1711.05101) and spares biases and batch norm.
    `validation_fraction` of the training split, per class, is held out for the curves; the test split is never read.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    warmup_fraction: float
    momentum: float
    weight_decay: float
    label_smoothing: float
    flip: bool
    shift_pixels: int
    validation_fraction: float
    seed: int

    def __post_init__(self) -> None:
        checks = {
            "epochs": (1 <= self.epochs <= MOST_EPOCHS, f"at least 1, at most {MOST_EPOCHS}"),
            "batch_size": (1 <= self.batch_size <= MOST_BATCH, f"at least 1, at most {MOST_BATCH}"),
            "learning_rate": (0 < self.learning_rate < math.inf, "a finite number above 0"),
            "warmup_fraction": (0 <= self.warmup_fraction < 1, "a number in [0, 1)"),
            "momentum": (0 <= self.momentum < 1, "a number in [0, 1)"),
            "weight_decay": (0 <= self.weight_decay < math.inf, "a finite number, at least 0"),
            "label_smoothing": (0 <= self.label_smoothing < 1, "a number in [0, 1)"),
            "shift_pixels": (0 <= self.shift_pixels < MOST_PIXELS, f"at least 0, less than {MOST_PIXELS}"),
            "validation_fraction": (0 < self.validation_fraction < 1, "a number between 0 and 1"),
            "seed": (0 <= self.seed <= MOST_SEED, "an integer in [0, 2^32)"),
        }
        for key, (holds, expected) in checks.items():
            require(holds, f"train.{key}", getattr(self, key), expected)

    def fit(
        self, model: AnyModel, prepared: Prepared, output: Path, curves: CurveFiles
    ) -> TrainedMetrics | TakenMetrics:
        """Train `model` on the prepared training split; write folder `output`, and the curves after each epoch.

        A model that is trained already is taken as it is, with curves of no epoch. Returns the last epoch's losses and
        accuracies (fractions) and the counts behind them. Raises DataError for a split that cannot be trained on, or a
        model that does not fit it, and GateError when the loss stops being finite.
        """
        if isinstance(model, TakenModel):
            held_out = holdout(prepared.split("train").labels, self.validation_fraction, self.seed)
            with whole_directory(output, own.trained) as partial:
                taken = take(model, prepared, held_out, partial)
                curves.write([])
            return taken
        assert isinstance(model, Model), "the configuration's check lets these two kinds through"
        with whole_directory(output, own.trained) as partial:
            metrics = self._trained(model, prepared, partial / "model.keras", curves)
            describe(partial, Saved(form="keras", file="model.keras"))
        return metrics

    def _trained(self, model: Model, prepared: Prepared, output: Path, curves: CurveFiles) -> TrainedMetrics:
        keras = quiet_keras()
        manifest, data = prepared.manifest, prepared.split("train")
        classes, shape = len(manifest.classes), data.images.shape[1:]
        self._check(shape)
        training, validation = self._batches(data, classes)
        keras.utils.set_random_seed(self.seed)
        network = model.build(shape, classes, manifest.channel_mean, manifest.channel_std)
        rows = self._run(network, training, validation, curves)
        save(network, output)
        last = rows[-1]
        return TrainedMetrics(
            model=model.title,
            loss=last["loss"],
            accuracy=last["accuracy"],
            val_loss=last["val_loss"],
            val_accuracy=last["val_accuracy"],
            epochs=len(rows),
            parameters=network.count_params(),
            train_images=len(training.chosen),
            validation_images=len(validation.chosen),
            keras_backend=keras.backend.backend(),
        )

    def _check(self, shape: tuple[int, ...]) -> None:
        if self.shift_pixels >= min(shape[:2]):
            raise ConfigError(
                "train.shift_pixels moves images out of their frame",
                received=self.shift_pixels,
                expected=f"less than {min(shape[:2])}, for images of shape {shape}",
                fix="lower train.shift_pixels",
            )

    def _batches(self, data: Split, classes: int) -> tuple[TrainingBatches, ValidationBatches]:
        held_out = holdout(data.labels, self.validation_fraction, self.seed)
        kept = np.setdiff1d(np.arange(len(data.labels)), held_out)
        size = min(self.batch_size, len(kept))
        training = TrainingBatches(data, kept, classes, size, self.epochs, self.shift_pixels, self.flip, self.seed)
        return training, ValidationBatches(data, held_out, classes, self.batch_size)

    def _run(
        self, network: keras.Model, training: TrainingBatches, validation: ValidationBatches, curves: CurveFiles
    ) -> list[dict[str, float]]:
        steps = training.per_epoch
        schedule = self._compile(network, len(training))
        rows: list[dict[str, float]] = []

        def record(epoch: int, logs: dict[str, float]) -> None:
            rate = float(schedule(steps * (epoch + 1) - 1))
            rows.append(curve_row(epoch + 1, logs, rate))
            curves.write(rows)

        with progress_bar("train", len(training)) as bar:
            network.fit(
                py_dataset(training),
                steps_per_epoch=steps,
                epochs=self.epochs,
                validation_data=py_dataset(validation),
                callbacks=[callback(record, bar)],
                shuffle=False,
                verbose=0,
            )
        return rows

    def _compile(self, network: keras.Model, steps: int) -> Any:
        import keras

        warmup = int(self.warmup_fraction * steps)
        schedule = keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=0.0 if warmup else self.learning_rate,
            decay_steps=steps - warmup,
            warmup_target=self.learning_rate if warmup else None,
            warmup_steps=warmup,
        )
        optimizer = keras.optimizers.SGD(
            schedule, momentum=self.momentum, nesterov=self.momentum > 0, weight_decay=self.weight_decay or None
        )
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=self.label_smoothing)
        network.compile(optimizer, loss, metrics=["accuracy"])
        return schedule


def callback(record: Callable[[int, dict[str, float]], None], bar: Bar) -> Any:
    """A Keras callback that moves `bar` by batches, refuses a loss that is not finite, and records epochs."""
    import keras

    def end_epoch(epoch: int, logs: dict[str, float]) -> None:
        loss = float(logs["loss"])
        if not math.isfinite(loss):
            raise GateError(
                f"The training loss is not finite in epoch {epoch + 1}",
                received=loss,
                expected="a finite number",
                fix="lower train.learning_rate, or raise train.warmup_fraction",
            )
        record(epoch, logs)
        bar.advance(0, f"loss {loss:.3f}, validation accuracy {float(logs['val_accuracy']):.3f}")

    return keras.callbacks.LambdaCallback(on_epoch_end=end_epoch, on_train_batch_end=lambda batch, logs: bar.advance())
