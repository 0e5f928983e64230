"""A worker does not spread over the cores that other workers have."""

import os
import subprocess
import sys

from recognition_worker.adapters.models.packaged_models import ModelFiles

# The main thread.
MOST_THREADS = 1

COUNT_THREADS = """
import recognition_worker.__main__
import os
import sys
from pathlib import Path
import cv2
import numpy as np
from recognition_worker.adapters.models.packaged_models import prepare_models
from recognition_worker.adapters.models.manifest_files import packaged_manifest
from recognition_worker.composition.lane_loader import load_eyes
from recognition_worker.settings import EmbedderChoice

lane = load_eyes(Path(sys.argv[1]), EmbedderChoice.OPENVINO).load(packaged_manifest())
matrix = np.ones((20_000, 128), np.float32)
matrix @ matrix[0]
matrix[:2000] @ matrix[:2000].T
noise = np.random.default_rng(0).integers(0, 256, (720, 1280, 3), np.uint8)
lane.identify(bytes(cv2.imencode(".jpg", noise)[1]), org_id="acme")
print(cv2.getNumThreads(), os.environ["OPENBLAS_NUM_THREADS"], len(os.listdir("/proc/self/task")))
"""


def test_a_capture_starts_no_threads_beyond_its_own(model_files: ModelFiles) -> None:
    command = [sys.executable, "-c", COUNT_THREADS, str(model_files.deepface_home)]
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    said = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, text=True, timeout=200, check=True
    ).stdout
    opencv, openblas, threads = said.split()
    assert (opencv, openblas) == ("1", "1")
    assert int(threads) <= MOST_THREADS
