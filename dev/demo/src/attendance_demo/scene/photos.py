"""Photos for the demo: public-domain portraits that packages carry, or the user's folders of photos.

The portraits lie in the tests of the `face-recognition` source distribution (official portraits of the United
States government) and in scikit-image (NASA). They are fetched with pip into the cache, checked by SHA-256,
and never become a part of this project.
"""

import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from attendance_demo.errors import PhotosUnavailable
from local_stack.files import locked

PORTRAITS_PACKAGE = "face-recognition==1.3.0"
PICTURES_PACKAGE = "scikit-image==0.26.0"
PACKAGES_MEGABYTES = 17
IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})

SHA256 = {
    "biden.jpg": "3c17508bb91554c637a2eabddfae790e5bb1caba93130814fc2ac50be9760c4c",
    "obama.jpg": "0930e3aa8cae5920329c0c8cbc6a2ab70f47b0e67b432875beaa95cbf7e741f6",
    "obama2.jpg": "a7efcc907375274796f39646510704aa86672d59f6d5469d69af3c85590976a6",
    "obama3.jpg": "76ac6bf97c36dc2da0ad16a537d6a5ac1b10f48d49aac29a0cca9a17cdbc3ca3",
    "astronaut.png": "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
    "coffee.png": "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
}


@dataclass(frozen=True, slots=True)
class Album:
    """The photos of one person, in the order of their names."""

    name: str
    photos: tuple[Path, ...]


def pictures_are_in(cache: Path) -> bool:
    """Say whether a run needs to fetch nothing."""
    return all((cache / name).exists() for name in SHA256)


def fetch_pictures(cache: Path) -> dict[str, Path]:
    """Return the packaged pictures by name, fetching them once. Raises PhotosUnavailable."""
    wanted = {name: cache / name for name in SHA256}
    with locked(cache / "photos.lock"):
        if not pictures_are_in(cache):
            _fetch(cache)
    for name, path in wanted.items():
        if not path.exists():
            raise PhotosUnavailable(f"{name} is not in {PORTRAITS_PACKAGE} or {PICTURES_PACKAGE}")
        if hashlib.sha256(path.read_bytes()).hexdigest() != SHA256[name]:
            raise PhotosUnavailable(f"{path} has another checksum than expected; delete it and run again")
    return wanted


def _fetch(cache: Path) -> None:
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        downloads = Path(folder)
        _pip_download(PORTRAITS_PACKAGE, downloads, source=True)
        _pip_download(PICTURES_PACKAGE, downloads, source=False)
        for archive in sorted(downloads.iterdir()):
            _extract(archive, cache)


def _pip_download(requirement: str, target: Path, *, source: bool) -> None:
    form = ["--no-binary", ":all:"] if source else ["--only-binary", ":all:"]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    run = subprocess.run(  # noqa: S603  # a fixed command
        [*command, *form, "--dest", str(target), requirement], capture_output=True, text=True, check=False
    )
    if run.returncode:
        raise PhotosUnavailable(f"pip could not download {requirement}: {run.stderr.strip()[-800:]}")


def _extract(archive: Path, cache: Path) -> None:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            for member in wheel.namelist():
                _keep(member, wheel.read(member) if PurePosixPath(member).name in SHA256 else None, cache)
    else:
        with tarfile.open(archive) as sdist:
            for entry in sdist.getmembers():
                if PurePosixPath(entry.name).name in SHA256 and (file := sdist.extractfile(entry)):
                    _keep(entry.name, file.read(), cache)


def _keep(member: str, content: bytes | None, cache: Path) -> None:
    name = PurePosixPath(member).name
    if content is None or hashlib.sha256(content).hexdigest() != SHA256[name]:
        return
    partial = cache / f".{name}.{os.getpid()}"
    partial.write_bytes(content)
    partial.replace(cache / name)


def albums(folder: Path) -> list[Album]:
    """Return one album per sub-folder that holds photos. Raises PhotosUnavailable when there is none."""
    if not folder.is_dir():
        raise PhotosUnavailable(f"{folder} is not a folder; FACES_DIR wants one folder of photos per person")
    found = []
    for person in sorted(path for path in folder.iterdir() if path.is_dir()):
        photos = tuple(sorted(path for path in person.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES))
        if photos:
            found.append(Album(person.name.replace("_", " "), photos))
    if not found:
        raise PhotosUnavailable(f"{folder} holds no folder with .jpg, .png or .webp photos")
    return found
