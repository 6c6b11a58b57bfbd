"""Compiled kernels on disk: kept, used again, refused, replaced."""

from __future__ import annotations

import os

import pytest

from roundoff.backend.trt.library import make_log, write_cache
from tests.support import fake_trt
from tests.support.fake_trt import FakeTensorrt, images


def test_an_interrupt_while_kernels_are_read_comes_through_at_once(load, gpu, tmp_path, monkeypatch):
    (tmp_path / "kernels").write_bytes(b"kernels")
    trt = FakeTensorrt(gpu)

    def interrupted(self, blob):
        make_log(trt).raised = KeyboardInterrupt()
        return True

    monkeypatch.setattr(fake_trt.IRuntimeCache, "deserialize", interrupted)
    monkeypatch.setattr(fake_trt.IRuntimeConfig, "set_runtime_cache", lambda self, cache: pytest.fail("work went on"))
    with pytest.raises(KeyboardInterrupt):
        load(trt)
    assert not gpu.live


def test_kernels_that_are_refused_are_no_reason_of_what_comes(load, gpu, tmp_path, monkeypatch):
    (tmp_path / "kernels").write_bytes(b"of another GPU")
    trt = FakeTensorrt(gpu)
    refuse = fake_trt.IRuntimeCache.deserialize

    def refused(self, blob):
        make_log(trt).log(fake_trt.Severity.ERROR, "the cache is of another GPU")
        return refuse(self, blob)

    monkeypatch.setattr(fake_trt.IRuntimeCache, "deserialize", refused)
    load(trt)
    assert make_log(trt).reason() == "TensorRT logged no error"


def test_kernels_that_cannot_be_read_are_compiled_again(load, tmp_path, caplog):
    (tmp_path / "kernels").mkdir()
    assert load().cache_was_warm is False
    assert "kernels cannot be read" in caplog.text


def test_compiled_kernels_are_kept_and_reused(load, tmp_path):
    with load().bind([images(1)]) as cold:
        assert cold.info().runtime_cache_warm is False
    assert (tmp_path / "kernels").read_bytes() == b"kernels"
    with load().bind([images(1)]) as warm:
        assert warm.info().runtime_cache_warm is True


def test_kernels_that_are_refused_are_told_in_tensorrts_words_and_replaced(load, tmp_path):
    (tmp_path / "kernels").write_bytes(b"of another GPU")
    with load().bind([images(1)]) as bound:
        info = bound.info()
    assert info.runtime_cache_warm is False
    assert info.runtime_cache_problem == (
        "what was kept is refused: [Runtime Cache]: Fingerprint check failed; rejecting cache."
    )
    assert (tmp_path / "kernels").read_bytes() == b"kernels"
    with load().bind([images(1)]) as bound:
        assert bound.info().runtime_cache_problem is None


def test_kernels_that_are_refused_go_even_if_there_are_none_to_replace_them(load, gpu, tmp_path):
    (tmp_path / "kernels").write_bytes(b"of another GPU")
    trt = FakeTensorrt(gpu)
    trt.kernels = b""
    with load(trt).bind([images(1)]) as bound:
        words = bound.info().runtime_cache_problem
    assert words.startswith("what was kept is refused: ")
    assert " / nothing to keep was given: " in words
    assert not (tmp_path / "kernels").exists()


def test_kernels_that_cannot_be_serialized_are_told_in_tensorrts_words(load, gpu, tmp_path):
    trt = FakeTensorrt(gpu)
    trt.kernels = b""
    with load(trt).bind([images(1)]) as bound:
        words = bound.info().runtime_cache_problem
    assert words == "nothing to keep was given: [RUNTIME CACHE]: Error serializing graph"
    assert not (tmp_path / "kernels").exists()


def test_kernels_that_nobody_used_for_months_go(load, tmp_path):
    old, new, other = (tmp_path / name for name in ("a-runtime.cache", "b-runtime.cache", "c-timing.cache"))
    for path in (old, new, other):
        path.write_bytes(b"kernels")
    os.utime(old, (0, 0))
    os.utime(other, (0, 0))
    load().bind([images(1)])
    assert [path.exists() for path in (old, new, other)] == [False, True, True]


def test_loading_marks_kernels_as_used(load, tmp_path):
    (tmp_path / "kernels").write_bytes(b"kernels")
    os.utime(tmp_path / "kernels", (0, 0))
    load()
    assert (tmp_path / "kernels").stat().st_mtime > 1e9


def test_a_cache_that_cannot_be_written_is_a_warning(load, tmp_path, caplog):
    (tmp_path / "kernels").mkdir()
    write_cache(tmp_path / "kernels", b"kernels")
    assert "is not kept" in caplog.text
    (tmp_path / "kernels").rmdir()
