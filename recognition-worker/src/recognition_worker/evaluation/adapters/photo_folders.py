"""Finds the photos of an evaluation on disk: one folder per person, photos in the order of their names."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

from recognition_worker.domain.identity import PersonId
from recognition_worker.errors import EvaluationRefused
from recognition_worker.evaluation.domain.pairs import BadPairs, Pair, PhotoRef, parse_pairs
from recognition_worker.evaluation.evaluate_model import PersonPhotos

_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})


def read_people(folder: Path) -> list[PersonPhotos]:
    """Return the people of a folder by name, with their photos; numbers in names count as numbers.

    Raises:
        EvaluationRefused: no such folder, or no photo in it.
    """
    if not folder.is_dir():
        raise EvaluationRefused(f"{folder} is no folder; name one with a folder of photos for each person")
    people = []
    for person in sorted(path for path in folder.iterdir() if path.is_dir()):
        files = sorted((path for path in person.iterdir() if path.suffix.lower() in _SUFFIXES), key=_natural)
        if files:
            people.append(PersonPhotos(PersonId(person.name), tuple(file.read_bytes for file in files)))
    if not people:
        raise EvaluationRefused(
            f"{folder} has no photos; PERSON/1.jpg, PERSON/2.jpg and so on are needed "
            f"(also {', '.join(sorted(_SUFFIXES - {'.jpg'}))})"
        )
    return people


def photos_sha256(folder: Path) -> str:
    """Return one digest of all photos of a folder: SHA-256 over their names and contents, sorted by name.

    It is what `sha256sum` gives over its own lines for `PERSON/PHOTO` in the order of the names.
    """
    digest = hashlib.sha256()
    files = (path for path in folder.glob("*/*") if path.suffix.lower() in _SUFFIXES)
    for name, file in sorted((file.relative_to(folder).as_posix(), file) for file in files):
        digest.update(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {name}\n".encode())
    return digest.hexdigest()


def read_pairs(file: Path, photos: Path) -> tuple[tuple[Pair, ...], Callable[[PhotoRef], bytes]]:
    """Return the pairs of a file, and how to read a photo: PERSON/PERSON_0001.jpg, or PERSON/1.jpg.

    Raises:
        EvaluationRefused: the file is no pairs file, or a photo that it names is missing.
    """
    try:
        pairs = parse_pairs(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, BadPairs) as error:
        raise EvaluationRefused(f"the pairs of {file} cannot be read: {error}") from error
    found = {photo: _photo(photos, photo) for pair in pairs for photo in (pair.first, pair.second)}
    return pairs, lambda photo: found[photo].read_bytes()


def _photo(folder: Path, photo: PhotoRef) -> Path:
    names = (f"{photo.person}_{photo.number:04}.jpg", f"{photo.number}.jpg")
    for name in names:
        if (folder / photo.person / name).is_file():
            return folder / photo.person / name
    raise EvaluationRefused(
        f"the pairs name photo {photo.number} of {photo.person}, but {folder / photo.person} has neither "
        f"{' nor '.join(names)}"
    )


def _natural(file: Path) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", file.stem)]
