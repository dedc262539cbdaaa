"""The `fruits` command."""

import os
import sys
from contextlib import suppress

if "" in os.environ.get("PYTHONPATH", "unset").split(os.pathsep):
    # An empty entry (PYTHONPATH=":/x") stands for the working folder, whose `calendar.py` or
    # `random.py` would be imported instead of Python's.
    with suppress(OSError):  # the working folder was deleted
        _here = os.getcwd()
        sys.path[:] = [entry for entry in sys.path if entry and os.path.realpath(entry) != _here]
