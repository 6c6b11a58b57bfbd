"""What every test has around it: locks that no job outside the tests waits for."""

import os

import pytest

from roundoff.lock import ELSEWHERE


@pytest.fixture(scope="session", autouse=True)
def locks_of_their_own(tmp_path_factory):
    """A place for the locks of this session and of the processes that it starts; the machine's own stay free."""
    before = os.environ.get(ELSEWHERE)
    os.environ[ELSEWHERE] = str(tmp_path_factory.mktemp("locks"))
    yield
    if before is None:
        del os.environ[ELSEWHERE]
    else:
        os.environ[ELSEWHERE] = before
