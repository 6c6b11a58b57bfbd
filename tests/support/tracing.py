"""Whether coverage is measured: Hydra then takes its tracer for a debugger, and a stage's error shows its traceback."""

import sys

TRACED = sys.gettrace() is not None
