"""Property tests have no deadline: a busy machine must not fail them."""

import pytest
from hypothesis import settings

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
