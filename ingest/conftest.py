"""This folder has the name of its package, and pytest takes it for the package: put the real one there."""

import importlib
import sys

sys.modules.pop("ingest", None)
importlib.import_module("ingest")
