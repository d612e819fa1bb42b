"""Puts the tiny crew in the place of the real one in every Python process that has this folder on its path.

So the real `maskloom` command, and the processes that it starts, run the real method in moments (see `tiny_flow.py`).
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from maskloom.pipelines import drive
from support.tiny_flow import TinyCrew

drive.Crew = TinyCrew
