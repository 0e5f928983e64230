"""What a reader can try while the demo runs: commands to paste, and the files that they read.

The commands are the same in every run. What differs, addresses, ids and dates, is in one file for the shell;
the README has the same commands, and `tests/test_first_run.py` pastes them.
"""

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from attendance_demo.running import ENVIRONMENT
from attendance_demo.scene.cast import Cast
from attendance_demo.steps import console
from local_stack.files import write_private

INTRODUCTION = """
The demo stays up until Ctrl-C.

organisation        {place.org_id}
ingest, to write    {place.ingest_url}/docs
query-api, to read  {place.query_url}/docs
logs                {folder}/logs

To try it, paste what follows each $ into another terminal, in this folder.
README.md shows what the commands answer.

"""
COMMANDS = """\
Addresses, ids and today's date at the plant:

$ source {folder}/env

Read the attendance of today, as an analyst:

$ TOKEN=$(make -s token ROLE=analyst)
$ curl -s --oauth2-bearer $TOKEN "$QUERY/v1/attendance?from=$TODAY&to=$TODAY" \\
    | python -m json.tool

Send a capture of one of them, as a kiosk does, and see what the kiosk shows:

$ KIOSK_TOKEN=$(make -s token ROLE=device SUBJECT=$KIOSK)
$ CAPTURE=$(python -c 'import uuid_utils; print(uuid_utils.uuid7())')
$ curl -s --oauth2-bearer $KIOSK_TOKEN $INGEST/v1/captures \\
    -F "image=@$FACE" -F metadata="$(attendance-demo shot $CAPTURE)" \\
    | python -m json.tool
$ curl -s --oauth2-bearer $KIOSK_TOKEN "$QUERY/v1/captures/$CAPTURE?wait=10" \\
    | python -m json.tool

The day of this person has changed:

$ curl -s --oauth2-bearer $TOKEN \\
    "$QUERY/v1/attendance?from=$TODAY&to=$TODAY&person=$PERSON" \\
    | python -m json.tool

Ask who is present. Each further capture is an in or an out, in turn:

$ curl -s --oauth2-bearer $TOKEN $QUERY/v1/presence | python -m json.tool

Explain the day: which punches count, by which rules:

$ DATABASE_URL=$READER \\
    attendance-projector explain --org $ORG --from-store $PERSON --on $TODAY

Enrol yourself: put the path of a photo of yours in place of this visitor's:

$ PHOTO={folder}/photos/visitor.jpg
$ HR_TOKEN=$(make -s token ROLE=hr)
$ ENROLMENT=$(python -c 'import uuid; print(uuid.uuid4())')
$ WHO='"person_id": "'$YOU'", "consent_reference": "demo"'
$ curl -s --oauth2-bearer $HR_TOKEN $INGEST/v1/enrolments -F "photos=@$PHOTO" \\
    -F metadata='{{"enrolment_id": "'$ENROLMENT'", '"$WHO"'}}' \\
    | python -m json.tool
$ curl -sf --retry 30 --retry-delay 1 --retry-all-errors \\
    --oauth2-bearer $HR_TOKEN $QUERY/v1/enrolments/$ENROLMENT \\
    | python -m json.tool

After FACE=$PHOTO PERSON=$YOU the lines above are about you.
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the demo runs and with whom: what the commands need to know."""

    org_id: str
    ingest_url: str
    query_url: str
    reader_url: str
    zone: str
    kiosk: str
    person: str
    you: str


def write_first_run(folder: Path, place: Place, cast: Cast) -> None:
    """Write what the commands read: a file for the shell (mode 0600: it has a password), and two photos."""
    photos = folder / "photos"
    photos.mkdir(mode=0o700, exist_ok=True)
    member = next(member for member in cast.members if member.person_id == place.person)
    (photos / "person.jpg").write_bytes(member.captures[0])
    (photos / "visitor.jpg").write_bytes(cast.strangers[0])
    programs = Path(sys.executable).parent
    now = f"datetime.datetime.now(zoneinfo.ZoneInfo('{place.zone}'))"
    values = {
        "INGEST": place.ingest_url,
        "QUERY": place.query_url,
        "READER": place.reader_url,
        "ORG": place.org_id,
        "KIOSK": place.kiosk,
        "PERSON": place.person,
        "FACE": str(photos / "person.jpg"),
        "YOU": place.you,
    }
    lines = [
        "# Written by `make demo`; true while it runs.",
        f"PATH={shlex.quote(str(programs))}:$PATH",
        f"export STACK={shlex.quote(str(folder))}  # for `make token` and `attendance-demo`",
        *(f"{name}={shlex.quote(value)}" for name, value in values.items()),
        f'TODAY=$(python -c "import datetime, zoneinfo; print({now}.date())")',
    ]
    write_private(folder / ENVIRONMENT, "\n".join(lines) + "\n")


def print_first_run(folder: Path, place: Place) -> None:
    """Print the commands, as they are to be pasted in the folder where the demo was started."""
    here = folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
    introduction = INTRODUCTION.format(place=place, folder=here)
    console.print(introduction + COMMANDS.format(folder=shlex.quote(str(here))), markup=False, soft_wrap=True)
