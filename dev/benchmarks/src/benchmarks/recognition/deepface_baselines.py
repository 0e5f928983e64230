"""DeepFace as its users call it, the baseline: `represent` one by one, and `find` in a gallery of files.

Nothing of it is changed. The weights are the same proven files, under the names that DeepFace looks for.
"""

import os
import shutil
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.turns import Answer, Spent, spent_on
from recognition_worker.adapters.models.packaged_models import prepare_models
from recognition_worker.domain.face import Vector

REPRESENT = 'DeepFace.represent(FILE, model_name="SFace", detector_backend="yunet", align=True)'
FIND = 'DeepFace.find(FILE, FOLDER, model_name="SFace", detector_backend="yunet", align=True)'
FIND_FASTEST = FIND[:-1] + ', refresh_database=False, return_type="dict", k=1)'
# DeepFace: models/face_detection/YuNet.py, version 0.0.103.
_YUNET_FILE_NAME = "face_detection_yunet_2023mar.onnx"
_OPTIONS: dict[str, Any] = {
    "model_name": "SFace",
    "detector_backend": "yunet",
    "align": True,
    # A face that DeepFace misses is embedded as the whole picture instead of ending the loop.
    "enforce_detection": False,
}
_DATASTORE = "ds_model_sface_detector_yunet_aligned_normalization_base_expand_0.npz"


def represent_loop(cache: Path, files: Sequence[Path], per_turn: int) -> Answer:
    """Load DeepFace; a turn embeds the next `per_turn` files."""
    deepface = _deepface(cache)
    coming = cycle(files)
    deepface.represent(str(files[0]), **_OPTIONS)

    def turn(_question: object) -> dict[str, Spent]:
        taken = [next(coming) for _ in range(per_turn)]
        spent = spent_on(lambda: [deepface.represent(str(file), **_OPTIONS) for file in taken], per_turn)
        return {"represent": spent}

    return turn


def find_in_gallery(cache: Path, files: Sequence[Path], folder: Path, gallery: Vector) -> Answer:
    """Load DeepFace over a folder of as many files as the gallery has rows; a turn searches one file.

    The files are links to one photo, and DeepFace's own function writes the datastore that spares embedding
    them: what is measured is loading, checking and searching it.
    """
    deepface = _deepface(cache)
    coming = cycle(files)
    _fill(folder, files[0], gallery)
    fastest = {**_OPTIONS, "refresh_database": False, "return_type": "dict", "k": 1}

    def turn(_question: object) -> dict[str, Spent]:
        return {
            "find": spent_on(lambda: deepface.find(str(next(coming)), str(folder), silent=True, **_OPTIONS)),
            "find_fastest": spent_on(
                lambda: deepface.find(str(next(coming)), str(folder), silent=True, **fastest)
            ),
        }

    turn(None)
    count = len(deepface.find(str(files[0]), str(folder), silent=True, similarity_search=True, **_OPTIONS)[0])
    if count != len(gallery):
        raise SystemExit(f"DeepFace.find searched {count} rows instead of {len(gallery)}")
    return turn


def _deepface(cache: Path) -> Any:
    files = prepare_models(cache)
    target = files.sface_file.parent / _YUNET_FILE_NAME
    if not target.is_file():
        shutil.copyfile(files.yunet_file, target)
    os.environ.update(
        DEEPFACE_HOME=str(files.deepface_home), DEEPFACE_BACKEND_ENGINE="onnx", DEEPFACE_LOG_LEVEL="40"
    )
    from deepface import DeepFace

    return DeepFace


def _fill(folder: Path, photo: Path, gallery: Vector) -> None:
    from deepface.modules import recognition
    from deepface.modules.filestore import build_file_store

    folder.mkdir()
    names = [folder / f"person-{number:05d}.jpg" for number in range(len(gallery))]
    shutil.copyfile(photo, names[0])
    for name in names[1:]:
        os.link(names[0], name)
    store = build_file_store(str(folder))
    area = {"target_x": 0, "target_y": 0, "target_w": 100, "target_h": 100}
    # SFace's own embeddings are not of unit norm; a cosine does not mind.
    rows = [
        {"identity": str(name), "hash": store.find_hash(str(name)), "embedding": row, **area}
        for name, row in zip(names, np.asarray(gallery, np.float64).tolist(), strict=True)
    ]
    save = getattr(recognition, "__save_representations")
    save(store=store, datastore_path=store.join(_DATASTORE), datastore_format="npz", representations=rows)
