"""The lists of locked packages are what the images' distributions need now."""

from pathlib import Path

from attendance_containers.package_lists import LISTS, TENSORFLOW, lists

ROOT = Path(__file__).parents[4]
OF_TENSORFLOW = ("tensorflow", "tf-keras", "keras", "grpcio", "h5py", "libclang")


def test_the_lists_are_current() -> None:
    for path, text in lists(ROOT).items():
        assert path.read_text() == text, f"{path.name}: run `make lock`"


def test_the_worker_for_processors_has_nothing_of_tensorflow() -> None:
    found = lists(ROOT)
    slim, whole = (
        set(found[ROOT / LISTS / f"recognition-worker{kind}.txt"].split()) for kind in ("", "-gpu")
    )
    assert not slim & set(OF_TENSORFLOW)
    assert whole >= slim | TENSORFLOW


def test_no_service_gets_what_is_for_another() -> None:
    of_ingest = (ROOT / LISTS / "ingest.txt").read_text().split()
    assert not {"openvino", "numpy", "asyncpg", "alembic", "pytest", "ruff"} & set(of_ingest)
