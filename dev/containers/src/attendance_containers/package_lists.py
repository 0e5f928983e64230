"""Which locked packages each image needs: a list of names; versions and hashes are in requirements.lock.

A list is everything that the image's own distributions ask for, and what that asks for in turn. Markers other
than extras are taken as true: the lock says for which Python and system a package is, and the image may have
another Python than this machine.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

LISTS = Path("deploy/requirements")
LOCK = Path("requirements.lock")
# Only training and evaluation beside DeepFace's own code, or a graphics processor, need these.
TENSORFLOW = frozenset({"tensorflow", "tf-keras", "keras"})


@dataclass(frozen=True, slots=True)
class Packages:
    """What an image is made of: distributions of this workspace, and what is left out of all they ask for."""

    of: tuple[str, ...]
    without: frozenset[str] = frozenset()


IMAGES: Mapping[str, Packages] = {
    "ingest": Packages(("ingest",)),
    "query-api": Packages(("query-api",)),
    "attendance-projector": Packages(("attendance-projector",)),
    "prepare": Packages(("attendance-deploy",)),
    "recognition-worker": Packages(("recognition-worker",), TENSORFLOW),
    "recognition-worker-gpu": Packages(("recognition-worker",)),
}


def lists(root: Path) -> dict[Path, str]:
    """Return the text of every list, by the path where it belongs."""
    locked = _locked(root / LOCK)
    own = _workspace(root)
    found = {}
    for image, packages in IMAGES.items():
        names = sorted(_needed(packages, own, locked))
        found[root / LISTS / f"{image}.txt"] = "".join(f"{name}\n" for name in names)
    return found


def _locked(lock: Path) -> frozenset[NormalizedName]:
    lines = lock.read_text(encoding="utf-8").splitlines()
    return frozenset(
        canonicalize_name(line.partition("==")[0]) for line in lines if re.match(r"\w.*==", line)
    )


def _workspace(root: Path) -> dict[NormalizedName, list[Requirement]]:
    """Return what each distribution of this repository asks for; its metadata may not be installed yet."""
    found: dict[NormalizedName, list[Requirement]] = {}
    for file in [*root.glob("*/pyproject.toml"), *root.glob("dev/*/pyproject.toml")]:
        project = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
        found[canonicalize_name(project["name"])] = [Requirement(each) for each in project["dependencies"]]
    return found


def _needed(
    packages: Packages, own: Mapping[NormalizedName, list[Requirement]], locked: frozenset[NormalizedName]
) -> Iterator[str]:
    waiting: list[Requirement] = [Requirement(name) for name in packages.of]
    seen: set[tuple[NormalizedName, str]] = set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in packages.without or (name not in own and name not in locked):
            continue
        if name not in own and not any(known == name for known, _ in seen):
            yield name
        for extra in {"", *requirement.extras} - {extra for known, extra in seen if known == name}:
            seen.add((name, extra))
            asked = own[name] if name in own else _requirements(name)
            waiting += [each for each in asked if _holds(each, extra)]


def _requirements(name: str) -> Iterable[Requirement]:
    try:
        return [Requirement(each) for each in requires(name) or ()]
    except PackageNotFoundError:  # for another Python or system than this machine's
        return ()


def _holds(requirement: Requirement, extra: str) -> bool:
    """Say whether a requirement belongs to this extra ("": to none), whatever else its marker says."""
    named = re.findall(r"""extra\s*==\s*["']([^"']+)["']""", str(requirement.marker or ""))
    return extra in {str(canonicalize_name(each)) for each in named} if extra else not named
