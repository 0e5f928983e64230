import hashlib
from pathlib import Path

import pytest

from recognition_worker.errors import EvaluationRefused
from recognition_worker.evaluation.adapters.photo_folders import photos_sha256, read_pairs, read_people
from recognition_worker.evaluation.domain.pairs import PhotoRef


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())


def test_photos_come_by_number_and_other_files_do_not_count(tmp_path: Path) -> None:
    write(
        tmp_path, "b/10.jpg", "b/2.PNG", "b/1.jpg", "b/notes.txt", "a/photo.webp", "c/notes.txt", "readme.jpg"
    )
    people = read_people(tmp_path)
    assert [(one.person_id, [read() for read in one.photos]) for one in people] == [
        ("a", [b"a/photo.webp"]),
        ("b", [b"b/1.jpg", b"b/2.PNG", b"b/10.jpg"]),
    ]


def test_one_digest_covers_names_and_contents_of_all_photos(tmp_path: Path) -> None:
    write(tmp_path, "b/1.jpg", "a/2.jpg", "a/notes.txt")
    lines = [f"{hashlib.sha256(name.encode()).hexdigest()}  {name}\n" for name in ("a/2.jpg", "b/1.jpg")]
    before = photos_sha256(tmp_path)
    assert before == hashlib.sha256("".join(lines).encode()).hexdigest()
    (tmp_path / "a" / "2.jpg").rename(tmp_path / "a" / "3.jpg")
    assert photos_sha256(tmp_path) != before


def test_a_folder_without_photos_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "a/notes.txt")
    with pytest.raises(EvaluationRefused, match="has no photos"):
        read_people(tmp_path)


def test_photos_of_pairs_are_found_by_both_names(tmp_path: Path) -> None:
    write(tmp_path, "Ann/Ann_0001.jpg", "Ann/2.jpg", "Bob/Bob_0012.jpg")
    pairs_file = tmp_path / "pairs.txt"
    pairs_file.write_text("2 1\nAnn 1 2\nAnn 1 Bob 12\nAnn 2 1\nBob 12 Ann 2\n")
    pairs, read = read_pairs(pairs_file, tmp_path)
    assert len(pairs) == 4
    assert read(PhotoRef("Bob", 12)) == b"Bob/Bob_0012.jpg"
    assert read(PhotoRef("Ann", 2)) == b"Ann/2.jpg"


def test_a_missing_photo_of_a_pair_is_named(tmp_path: Path) -> None:
    write(tmp_path, "Ann/1.jpg")
    pairs_file = tmp_path / "pairs.txt"
    pairs_file.write_text("2 1\nAnn 1 1\nAnn 1 Bob 12\nAnn 1 1\nAnn 1 Ann 1\n")
    with pytest.raises(EvaluationRefused, match=r"photo 12 of Bob.*Bob_0012\.jpg nor 12\.jpg"):
        read_pairs(pairs_file, tmp_path)
