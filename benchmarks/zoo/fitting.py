"""One network trained by Keras on JAX: the whole data set on the device, many steps in one compiled call."""

from __future__ import annotations

import math
import time
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from benchmarks.zoo.families import network
from benchmarks.zoo.fitted import BATCH, CLIP, SHIFT, SMOOTHING, WEIGHT_DECAY, Fitted, Member, rate
from benchmarks.zoo.images import arrays
from benchmarks.zoo.trained import CLASSES, TRAINED, Recipe
from roundoff.dataset.base import Images, Labels
from roundoff.system.files import whole_file

STEPS = 49
"""Steps in a compiled call: half an epoch of 50,000 images."""

State = tuple[Any, Any, Any]
"""Values of the trained, of the other, and of the optimizer's variables."""


def train_member(name: str, folder: Path, out: Path, seconds: float, seed: int) -> Member:
    """Train it on the images in `folder` and write `out`/NAME.keras."""
    keras.utils.set_random_seed(seed)
    built = network(name, TRAINED[name])
    fitted = fit(built, TRAINED[name], arrays(folder, "train"), arrays(folder, "test"), seconds, seed)
    with whole_file(out / f"{name}.keras") as partial_file:
        built.save(partial_file)
        _deflate(partial_file)
    versions = {each.__name__: each.__version__ for each in (jax, keras, np)}
    return Member(fitted, built.count_params(), versions, jax.devices()[0].device_kind)


def _deflate(path: Path) -> None:
    """Rewrite a .keras file compressed: HDF5 takes some kilobytes for each layer, nearly all of them zeros."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def fit(
    network: keras.Model,
    recipe: Recipe,
    train: tuple[Images, Labels],
    test: tuple[Images, Labels],
    seconds: float,
    seed: int,
) -> Fitted:
    """Train `network` in place by AdamW; the rate falls to 0 after `recipe.epochs`, or after `seconds` if sooner."""
    optimizer = keras.optimizers.AdamW(recipe.rate, weight_decay=WEIGHT_DECAY, global_clipnorm=CLIP)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    optimizer.build(network.trainable_variables)
    trained, others, kept = ([variable.value for variable in each] for each in _variables(network, optimizer))
    state: State = trained, others, kept
    call = jax.jit(partial(_steps, network, optimizer, recipe), donate_argnums=0)
    images, labels = (jnp.asarray(each) for each in train)
    schedule = Schedule(seconds, math.ceil(recipe.epochs * len(train[1]) / BATCH / STEPS))
    key, loss = jax.random.key(seed), math.nan
    for span in schedule:
        rates = jnp.array([rate(recipe.rate, share) for share in np.linspace(*span, STEPS)])
        state, value = call(state, jax.random.fold_in(key, schedule.calls), images, labels, rates)
        loss = float(value)
    _assign(network, optimizer, state)
    found = accuracy(network, recipe, *test)
    return Fitted(schedule.calls * STEPS, loss, found, schedule.first_s, schedule.others_s)


class Schedule:
    """The spans of the training, from 0 to 1, that the calls make: `planned` equal ones, fewer where time runs out.

    The first call's seconds are nearly all of compilation; the others tell how many more fit into `seconds`.
    """

    def __init__(self, seconds: float, planned: int) -> None:
        self._seconds, self._planned = seconds, planned
        self.calls, self.first_s, self.others_s = 0, 0.0, 0.0

    def __iter__(self) -> Iterator[tuple[float, float]]:
        started, done = time.perf_counter(), 0.0
        while done < 1:
            ending = min(done + (1 - done) / self._left(), 1.0)
            yield done, ending
            done, self.calls = ending, self.calls + 1
            spent = time.perf_counter() - started
            self.first_s = self.first_s or spent
            self.others_s = spent - self.first_s

    def _left(self) -> float:
        """Calls that are still to be made; at least one."""
        planned = self._planned - self.calls
        if self.calls > 1:
            each = self.others_s / (self.calls - 1)
            planned = min(planned, int((self._seconds - self.first_s - self.others_s) / each))
        return max(planned, 1)


def accuracy(network: keras.Model, recipe: Recipe, images: Images, labels: Labels) -> float:
    """The share of images uint8 [N, 32, 32, 3] that the network classifies as labelled."""
    call = jax.jit(lambda some: network(_sized(some.astype("float32"), recipe), training=False).argmax(-1))
    parts = [images[i : i + BATCH] for i in range(0, len(images), BATCH)]
    found = np.concatenate([np.asarray(call(jnp.asarray(part))) for part in parts])
    return float((found == labels).mean())


def _variables(network: keras.Model, optimizer: Any) -> tuple[Any, Any, Any]:
    return network.trainable_variables, network.non_trainable_variables, optimizer.variables


def _assign(network: keras.Model, optimizer: Any, state: State) -> None:
    for variables, values in zip(_variables(network, optimizer), state, strict=True):
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)


def _steps(
    network: keras.Model, optimizer: Any, recipe: Recipe, state: State, key: Any, images: Any, labels: Any, rates: Any
) -> tuple[State, Any]:
    """A step on random images at each of `rates`: the state, and the mean loss."""
    slot = [variable is optimizer.learning_rate for variable in optimizer.variables].index(True)
    draw, augment = jax.random.split(key)
    picked = jax.random.randint(draw, (STEPS, BATCH), 0, len(labels))

    def step(state: State, given: tuple[Any, Any, Any]) -> tuple[State, Any]:
        indices, key, now = given
        trained, others, kept = state
        x = _sized(_augmented(key, images[indices]), recipe)
        gradient = jax.value_and_grad(partial(_loss, network), has_aux=True)
        (loss, others), gradients = gradient(trained, others, x, labels[indices])
        kept = [now if i == slot else value for i, value in enumerate(kept)]
        trained, kept = optimizer.stateless_apply(kept, gradients, trained)
        return (trained, others, kept), loss

    state, losses = jax.lax.scan(step, state, (picked, jax.random.split(augment, STEPS), rates))
    return state, losses.mean()


def _loss(network: keras.Model, trained: Any, others: Any, x: Any, labels: Any) -> tuple[Any, Any]:
    logits, others = network.stateless_call(trained, others, x, training=True)
    wanted = jax.nn.one_hot(labels, CLASSES) * (1 - SMOOTHING) + SMOOTHING / CLASSES
    return -(wanted * jax.nn.log_softmax(logits)).sum(-1).mean(), others


def _augmented(key: Any, images: Any) -> Any:
    """Images float32, half of them mirrored, each moved by up to SHIFT pixels."""
    mirror, move = jax.random.split(key)
    flipped = jax.random.bernoulli(mirror, 0.5, (len(images), 1, 1, 1))
    images = jnp.where(flipped, images[:, :, ::-1], images).astype("float32")
    padded = jnp.pad(images, ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0)), mode="reflect")
    corners = jax.random.randint(move, (len(images), 2), 0, 2 * SHIFT + 1)

    def cut(image: Any, at: Any) -> Any:
        return jax.lax.dynamic_slice(image, (at[0], at[1], 0), images.shape[1:])

    return jax.vmap(cut)(padded, corners)


def _sized(images: Any, recipe: Recipe) -> Any:
    """Images float32 [n, 32, 32, 3] at the recipe's size, in whole numbers: nearly as Pillow resizes (bilinear)."""
    if recipe.size != images.shape[1]:
        images = jax.image.resize(images, (len(images), recipe.size, recipe.size, 3), "bilinear")
    return jnp.round(images).astype(recipe.dtype)
