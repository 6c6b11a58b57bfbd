"""What all tests have around them: nothing that they or their processes write outlives them or keeps others waiting."""

import os
import tempfile

import pytest

from roundoff.system.device_lock import ELSEWHERE


@pytest.fixture(scope="session", autouse=True)
def folders_of_their_own(tmp_path_factory):
    """Temporary files, also those of killed processes, go with pytest's; the locks of the machine's jobs stay free."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(tmp_path_factory.mktemp("temporary")))
        patch.setattr(tempfile, "tempdir", os.environ["TMPDIR"])
        patch.setenv(ELSEWHERE, str(tmp_path_factory.mktemp("locks")))
        yield
