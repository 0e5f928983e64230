"""Who plays: the people enrolled, their photos and captures, and the strangers."""

from dataclasses import dataclass
from pathlib import Path

from attendance_demo.errors import PhotosUnavailable
from attendance_demo.scene.photos import Album, albums, fetch_pictures
from attendance_demo.scene.variants import corrupt, encode, load, out_of_focus, seen_again

ENROL_COUNT = 2
STRANGERS_AT_MOST = 20


@dataclass(frozen=True, slots=True)
class Member:
    """A person of the plant: photos to enrol with and the captures of the day, as JPEG bytes."""

    person_id: str
    name: str
    night: bool
    enrol: tuple[bytes, ...]
    captures: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Cast:
    """Everybody and everything that passes a camera."""

    members: tuple[Member, ...]
    strangers: tuple[bytes, ...]
    blurred: bytes
    faceless: bytes
    corrupt: bytes


def packaged_cast(cache: Path, run: str) -> Cast:
    """Return the cast of public-domain portraits: two people at work and one visitor."""
    pictures = {name: load(path) for name, path in fetch_pictures(cache).items()}
    day = Member(
        person_id=f"{run}-p1",
        name="Barack Obama",
        night=False,
        enrol=(encode(pictures["obama.jpg"]), encode(pictures["obama2.jpg"])),
        captures=(
            encode(pictures["obama3.jpg"]),
            seen_again(pictures["obama2.jpg"], 1),
            seen_again(pictures["obama.jpg"], 2),
            seen_again(pictures["obama3.jpg"], 3),
        ),
    )
    night = Member(
        person_id=f"{run}-p2",
        name="Joe Biden",
        night=True,
        enrol=(encode(pictures["biden.jpg"]), seen_again(pictures["biden.jpg"], 10)),
        captures=tuple(seen_again(pictures["biden.jpg"], 11 + number) for number in range(4)),
    )
    visitor = pictures["astronaut.png"]
    return Cast(
        members=(day, night),
        strangers=(encode(visitor), seen_again(visitor, 20)),
        blurred=out_of_focus(pictures["obama.jpg"]),
        faceless=encode(pictures["coffee.png"]),
        corrupt=corrupt(pictures["obama.jpg"]),
    )


def folder_cast(folder: Path, people: int, cache: Path, run: str) -> Cast:
    """Return a cast of the first `people` albums with enough photos; up to 20 later ones stay strangers."""
    usable = [album for album in albums(folder) if len(album.photos) > ENROL_COUNT]
    if len(usable) < people:
        raise PhotosUnavailable(
            f"{folder} has {len(usable)} people with {ENROL_COUNT + 1} photos or more; PEOPLE={people}"
        )
    members = tuple(_member(album, number, run) for number, album in enumerate(usable[:people], start=1))
    chosen = {album.name for album in usable[:people]}
    others = [album for album in albums(folder) if album.name not in chosen][:STRANGERS_AT_MOST]
    pictures = fetch_pictures(cache)
    visitor = encode(load(pictures["astronaut.png"]))
    first = load(usable[0].photos[0])
    return Cast(
        members=members,
        strangers=(visitor, *(encode(load(album.photos[0])) for album in others)),
        blurred=out_of_focus(first),
        faceless=encode(load(pictures["coffee.png"])),
        corrupt=corrupt(first),
    )


def _member(album: Album, number: int, run: str) -> Member:
    photos = [load(path) for path in album.photos]
    fresh = [encode(photo) for photo in photos[ENROL_COUNT:]]
    return Member(
        person_id=f"{run}-p{number}",
        name=album.name,
        night=number % 10 == 0,
        enrol=tuple(encode(photo) for photo in photos[:ENROL_COUNT]),
        captures=tuple(fresh) if len(fresh) > 1 else (fresh[0], seen_again(photos[ENROL_COUNT], number)),
    )
