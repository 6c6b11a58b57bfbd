"""The fitted last layer."""

import numpy as np

from benchmarks.large.head import fitted


def test_features_of_a_class_find_their_class():
    random, labels = np.random.default_rng(0), np.repeat(np.arange(30), 3)
    centres = random.standard_normal((30, 200)).astype(np.float32)
    train, test = (centres[labels] + random.normal(0, 0.3, (90, 200)).astype(np.float32) for _ in range(2))
    weights, bias = fitted(train, labels, 30)
    assert weights.shape == (200, 30)
    assert bias.shape == (30,)
    assert weights.dtype == bias.dtype == np.float32
    assert ((test @ weights + bias).argmax(1) == labels).mean() > 0.9


def test_it_is_the_ridge_regression_of_the_primal_form():
    random, labels = np.random.default_rng(1), np.arange(40) % 4
    features = random.standard_normal((40, 5)).astype(np.float32)
    weights, bias = fitted(features, labels, 4)
    centred, wanted = features - features.mean(0), np.eye(4)[labels]
    ridge = 1e-3 * np.trace(centred @ centred.T) / 40 * np.eye(5)
    expected = 20 * np.linalg.solve(centred.T @ centred + ridge, centred.T @ (wanted - wanted.mean(0)))
    assert np.allclose(weights, expected, rtol=1e-4, atol=1e-5)
    assert np.allclose(bias, 20 * wanted.mean(0) - features.mean(0) @ expected, atol=1e-4)
