"""The bare loop and the bare life: what they compute, and that they leave nothing."""

from __future__ import annotations

import numpy as np

from benchmarks.gpu import bare, bare_life
from roundoff.backend.trt.library import make_log
from tests.support.fake_trt import CLASSES, FakeTensorrt, logits_of
from tests.support.gpu_network import IMAGES


def test_a_bare_life_leaves_nothing(gpu, monkeypatch):

    monkeypatch.setattr(bare_life, "cuda", gpu)  # gpu has put itself into bare, too
    trt = FakeTensorrt(gpu)
    bare_life.BareLife(trt, b"plan", make_log(trt), b"kernels", IMAGES[:8]).live()
    assert gpu.launches == 2 * bare_life.TIMED
    assert not gpu.live


def test_the_bare_loop_computes_the_logits_of_each_input_in_turn(gpu, tmp_path):

    trt = FakeTensorrt(gpu, profiles=((8, 8, 8),))
    engine = tmp_path / "model.engine"
    engine.write_bytes(b"plan")
    inputs = [IMAGES[:8], IMAGES[8:16]]
    loop = bare.BareReplay(trt, engine, inputs, make_log(trt))
    answers = [np.ctypeslib.as_array(gpu.live[at][1]).view(np.float32).reshape(8, CLASSES) for _, at in loop.buffers]
    for answer, images in zip(answers, inputs, strict=True):
        np.testing.assert_array_equal(answer, logits_of(images))
        answer[...] = np.nan
    loop.each_ms(2)
    for answer, images in zip(answers, inputs, strict=True):
        np.testing.assert_array_equal(answer, logits_of(images))
    loop.close()
    loop.close()
    assert not gpu.live
