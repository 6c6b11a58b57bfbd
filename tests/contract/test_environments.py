"""`make contract` can begin: its program is found, and so are the tests that it names."""

import os
import subprocess
import sys

from tests.contract.environments import ENVIRONMENTS, HERE, OF_CUDA
from tests.support.places import ROOT


def test_the_program_of_make_contract_is_found():
    alone = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    command = ["make", "-n", "contract"]  # under `make test`, a make that knows it is the second says more
    recipe = subprocess.run(command, cwd=ROOT, env=alone, capture_output=True, text=True, check=True).stdout
    words = recipe.splitlines()[-1].split()
    assert words[:2] == ["python", "-m"]
    code = f"import runpy; runpy.run_module({words[2]!r}, run_name='found')"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_the_tests_that_it_runs_are_there():
    assert [name for _, name in ENVIRONMENTS.values() if not (HERE / name).is_file()] == []
    path, _, name = OF_CUDA
    assert f"def test_{name}" in (ROOT / path).read_text()
