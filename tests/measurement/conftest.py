"""Property tests have no deadline: a busy machine must not fail them."""

import pytest
from hypothesis import settings

from roundoff.measurement import share
from tests.support.cells import (
    build,
    prepare,
)

settings.register_profile("no_deadline", deadline=None)
settings.load_profile("no_deadline")


@pytest.fixture
def fresh(tmp_path):
    prepare(tmp_path / "data")
    build(tmp_path)
    return tmp_path


@pytest.fixture
def own_locks(tmp_path, monkeypatch):
    (tmp_path / "locks").mkdir()
    monkeypatch.setenv("ROUNDOFF_LOCK_DIRECTORY", str(tmp_path / "locks"))
    yield
    for session in list(share._SESSIONS.values()):  # where a run was ended, which ends its processes
        share.give_back(session.share)
