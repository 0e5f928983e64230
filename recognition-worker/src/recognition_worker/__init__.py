"""Captures to matches, enrolments to the gallery; one core per process."""

import os

# OpenBLAS reads it when numpy is loaded, and nothing of this package comes before this line. Without it, each
# worker would spread each search over all cores of the machine.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
