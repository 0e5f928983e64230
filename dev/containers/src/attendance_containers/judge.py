"""The end of a play: the auditor's verdict, in figures, and a failure when something is amiss."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from attendance_containers.errors import PlayFailed
from chaos.hear_auditor import AuditorFailed, hear_auditor

SETTLED_WITHIN_SECONDS = 240.0
MOST_FINDINGS = 20


class Figures(Protocol):
    """What the last line of a play says, among other things."""

    captures: int
    lost: int
    double_counted: int


async def judge(
    figures: Figures, journal: Path, *, url: str, token: str, say: Callable[[str], None], **variables: str
) -> None:
    """Put the auditor's figures into those of the play. Raises PlayFailed for what it finds."""
    try:
        said = await hear_auditor(
            journal, url=url, token=token, wait_seconds=SETTLED_WITHIN_SECONDS, **variables
        )
    except AuditorFailed as error:
        raise PlayFailed(f"the auditor failed:\n{error}") from error
    say("auditor: " + " ".join(f"{name}={value}" for name, value in said.items() if name != "findings"))
    kinds = [finding["kind"] for finding in said["findings"]]
    figures.captures = said["accepted"]
    figures.lost, figures.double_counted = kinds.count("lost"), kinds.count("double_counted")
    if said["findings"]:
        found = "\n".join(
            f"{each['kind']} {each['id']}: {each['text']}" for each in said["findings"][:MOST_FINDINGS]
        )
        raise PlayFailed(f"{figures}\n{found}")
