"""The first run of a newcomer: what `make demo` prints can be pasted, the README says the same, help fits."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import psutil
import pytest

from attendance_demo.running import RunningDemo, holding, tell
from local_stack.keys.tokens import Role, ensure_key
from local_stack.running.stack import Stack

ROOT = Path(__file__).parent.parent
FOLDER = ".local-stack/demo"
WIDTH = 80
LAST_LINE = "the lines above are about you."
UP_WITHIN_SECONDS, DOWN_WITHIN_SECONDS, CHANGED_WITHIN_SECONDS = 400.0, 60.0, 30.0
WRONG_USAGE = 2


def commands(text: str) -> list[str]:
    """Return what follows each `$ ` at the beginning of a line, with the lines in which it goes on."""
    return [match[1] for match in re.finditer(r"^\$ ((?:.*\\\n)*.*)$", text, re.MULTILINE)]


class Shell:
    """A bash at the root of the repository, as a newcomer opens it: without what this process has set."""

    def __init__(self) -> None:
        own = str(Path(sys.executable).parent)
        path = os.pathsep.join(part for part in os.environ["PATH"].split(os.pathsep) if part != own)
        self.process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=ROOT,
            env={"HOME": os.environ["HOME"], "PATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def paste(self, command: str) -> str:
        """Run the command and return what it prints; fail unless its exit code is 0."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(f"{command}\nprintf '\\nexit code %s\\n' $?\n")
        self.process.stdin.flush()
        printed: list[str] = []
        for line in self.process.stdout:
            if line.startswith("exit code "):
                assert line == "exit code 0\n", f"{command}\n{''.join(printed)}{line}"
                break
            printed.append(line)
        return "".join(printed).strip()

    def answer(self, command: str) -> dict[str, Any]:
        """Return the answer of an API to the command; fail when it is a problem."""
        printed = self.paste(command)
        found = json.loads(printed)
        assert not str(found.get("type")).startswith("urn:problem"), f"{command}\n{printed}"
        return found

    def until(self, command: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Paste the command again until its answer holds."""
        deadline = time.monotonic() + CHANGED_WITHIN_SECONDS
        while not holds(found := self.answer(command)):
            assert time.monotonic() < deadline, f"{command}\n{found}"
        return found


@pytest.fixture
def shell() -> Iterator[Shell]:
    opened = Shell()
    yield opened
    opened.process.communicate()


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path, Path]]:
    """The demo as `make demo` starts it, in a folder of its own, and what it prints."""
    folder, log = tmp_path / "demo", tmp_path / "printed"
    with log.open("wb") as printed:
        process = subprocess.Popen(
            [sys.executable, "-m", "attendance_demo", "--dir", folder],
            cwd=ROOT,
            stdout=printed,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process, folder, log
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(DOWN_WITHIN_SECONDS)


def printed_when_up(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + UP_WITHIN_SECONDS
    while LAST_LINE not in (text := log.read_text()):
        assert process.poll() is None and time.monotonic() < deadline, text
        time.sleep(0.2)
    return text


@pytest.mark.end_to_end
@pytest.mark.timeout(600)
def test_every_command_that_the_demo_prints_works_as_pasted(demo, shell: Shell) -> None:
    process, folder, log = demo
    pasted = commands(printed_when_up(process, log))
    assert [command.replace(str(folder), FOLDER) for command in pasted] == readme_commands()
    ask = iter(pasted)

    shell.paste(next(ask))  # source env
    shell.paste(next(ask))  # TOKEN
    before = days_of(shell, next(ask))
    shell.paste(next(ask))  # KIOSK_TOKEN
    capture = [next(ask) for _ in range(3)]
    seen = send(shell, capture)
    assert seen["outcome"] == "IDENTIFIED"
    assert seen["person_id"] in before
    day = next(ask)
    count = before[seen["person_id"]]["punch_count"]
    changed = shell.until(day, lambda found: found["items"][0]["punch_count"] == count + 1)["items"][0]
    assert changed["open_since"] is not None
    present = shell.answer(next(ask))
    assert [person["person_id"] for person in present["people"]] == [seen["person_id"]]
    assert seen["capture_id"] in shell.paste(next(ask))  # explain

    again = send(shell, capture)
    assert again["capture_id"] != seen["capture_id"]
    gone = shell.until(day, lambda found: found["items"][0]["punch_count"] == count + 2)["items"][0]
    assert gone["open_since"] is None
    assert send(shell, capture[1:])["capture_id"] == again["capture_id"]

    *preparing, enrol, outcome = ask
    for command in preparing:
        shell.paste(command)
    assert shell.answer(enrol)["status_url"].endswith(shell.answer(outcome)["enrolment_id"])
    assert shell.answer(outcome)["outcome"] == "ENROLLED"
    shell.paste("FACE=$PHOTO PERSON=$YOU")
    assert send(shell, capture)["display_name"] == "You"
    shell.until(day, lambda found: [item["punch_count"] for item in found["items"]] == [1])

    of_nobody = asked_demo("token", "--dir", folder, "--role", "hr", "--org", "nobody")
    assert of_nobody.returncode == 1
    assert "organisation nobody is not recorded" in of_nobody.stderr
    assert asked_demo("token", "--dir", folder, "--role", "hr").returncode == 0

    # From another terminal.
    ended = asked_demo("down", "--dir", folder)
    assert (ended.returncode, ended.stdout) == (0, f"Ended the demo in {folder}.\n")
    assert process.wait(DOWN_WITHIN_SECONDS) == 0
    assert not (folder / "env").exists()
    assert asked_demo("down", "--dir", folder).stdout == f"No demo runs in {folder}.\n"


def asked_demo(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "attendance_demo", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def send(shell: Shell, capture: list[str]) -> dict[str, Any]:
    """Paste the commands of a capture and return its decision, as the kiosk is told it."""
    *fresh_id, post, decision = capture
    for command in fresh_id:
        shell.paste(command)
    accepted = shell.answer(post)
    decided = shell.answer(decision)
    assert accepted["capture_id"] == decided["capture_id"]
    return decided


def days_of(shell: Shell, command: str) -> dict[str, dict[str, Any]]:
    return {day["person_id"]: day for day in shell.answer(command)["items"]}


def readme_commands() -> list[str]:
    readme = (ROOT / "README.md").read_text()
    section = readme.split("\n## Five minutes to the first row\n")[1].split("\n## ")[0]
    return commands(section)


@pytest.mark.end_to_end
@pytest.mark.timeout(600)
def test_what_is_killed_comes_back_and_a_killed_demo_leaves_nothing(demo) -> None:
    process, folder, log = demo
    printed_when_up(process, log)
    services = psutil.Process(process.pid).children()
    assert len(services) == 4
    next(each for each in services if "ingest" in each.cmdline()).kill()
    printed_in_the_end(log, r"^ingest was killed by signal 9; it starts again in 1 s$")
    until(lambda: len(psutil.Process(process.pid).children()) == 4)

    stack = Stack(folder)
    valkey = next(server for server in stack.status().services if server.name == "valkey")
    assert valkey.pid
    psutil.Process(valkey.pid).kill()
    command = printed_in_the_end(log, r"^valkey .* This brings it back: (.*)$")
    subprocess.run(["bash", "-c", command], cwd=ROOT, check=True)
    assert stack.status().is_ready

    left = psutil.Process(process.pid).children()
    process.kill()
    process.wait()
    assert all(lives(each) for each in left)
    assert asked_demo("down", "--dir", folder).stdout == f"Ended the demo in {folder}.\n"
    assert not any(lives(each) for each in left)


def lives(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + CHANGED_WITHIN_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def printed_in_the_end(log: Path, pattern: str) -> str:
    """Return what the demo prints: the group of the pattern, or the whole line."""
    until(lambda: re.search(pattern, log.read_text(), re.MULTILINE))
    found = re.search(pattern, log.read_text(), re.MULTILINE)
    assert found
    return found[found.lastindex or 0]


def make(*arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", "-s", *arguments], cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("further", [[], ["ORG=nobody"]])
def test_token_without_a_demo_is_one_sentence(tmp_path: Path, further: list[str]) -> None:
    ensure_key(tmp_path)  # an earlier demo leaves its key
    for folder in (tmp_path / "none", tmp_path):
        asked = make("token", f"STACK={folder}", *further)
        assert asked.returncode == WRONG_USAGE
        assert asked.stdout == ""
        said, made = asked.stderr.splitlines()
        assert said == f"No demo runs in {folder}. Start one with `make demo` and leave it running."
        assert re.match(r"make(\[\d+\])?: \*\*\*", made)


def test_token_takes_every_value_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "it's a folder"
    subject, org = "kiosk 1; echo pwned", 'a\'b "c"'  # its own, so that it counts as recorded
    ensure_key(folder)
    with holding(folder):
        tell(folder, RunningDemo(org, device_sequence=0))
        asked = make("token", f"STACK={folder}", "ROLE=hr", f"SUBJECT={subject}", f"ORG={org}")
        refused = make("token", f"STACK={folder}", "ROLE=hr; echo pwned")
    assert asked.returncode == 0, asked.stderr
    claims = jwt.decode(asked.stdout.strip(), options={"verify_signature": False})
    assert (claims["sub"], claims["tenant"], claims["roles"]) == (subject, org, ["hr"])
    assert refused.returncode == WRONG_USAGE
    assert refused.stdout == ""
    assert all(role in refused.stderr for role in Role)


# What the Makefile itself decides; `call quoted` has the others.
OWN = {"BIN", "READY", "PYTEST", "WITHOUT", "WITH_ONE_MODEL", "SIDE_BY_SIDE", "SYNC", "EDITABLE", "SERVICES"}
OWN |= {"FOLDERS", "MAKEFILE_LIST", "MAKE", "PROGRAMS", "OPENTOFU", "CHECKOV", "NGINX"}


def test_make_quotes_every_value_that_a_user_may_set() -> None:
    lines = (ROOT / "Makefile").read_text().splitlines()
    recipes = "\n".join(line for line in lines if line.startswith("\t"))
    without_conditions = re.sub(r"\$\(if \$\(\w+\),", "", recipes)
    assert set(re.findall(r"\$\(([A-Z_]+)\)", without_conditions)) <= OWN


def test_clean_refuses_while_something_runs(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_bytes((ROOT / "Makefile").read_bytes())
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/local-stack").symlink_to(Path(sys.executable).parent / "local-stack")
    with holding(tmp_path / FOLDER):
        refused = make("clean", folder=tmp_path)
    assert refused.returncode != 0
    assert "Ctrl-C" in refused.stderr
    assert f"local-stack down --dir {FOLDER}" in refused.stderr
    assert (tmp_path / FOLDER).exists()
    assert (tmp_path / ".venv/bin/local-stack").exists()
    cleaned = make("clean", folder=tmp_path)
    assert cleaned.returncode == 0, cleaned.stderr
    assert not (tmp_path / ".local-stack").exists()
    assert not (tmp_path / ".venv").exists()


@pytest.mark.parametrize("command", ["attendance-demo", "local-stack"])
def test_help_of_the_commands_shows_flags_as_flags_and_whole_sentences(command: str) -> None:
    asked = [Path(sys.executable).parent / command, "--help"]
    environ = {**os.environ, "COLUMNS": str(WIDTH)}
    said = subprocess.run(asked, env=environ, capture_output=True, text=True, check=True).stdout
    assert "<bool>" not in said
    assert "..." not in said.replace("[ARGS]...", "")


def test_help_begins_with_the_two_commands_and_fits_a_terminal() -> None:
    printed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    names = re.findall(r"^  ([a-z-]+) ", printed, re.MULTILINE)
    assert names[:2] == ["demo", "test"]
    assert set(names) == set(
        re.findall(r"^\.PHONY: ([a-z-]+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    )
    assert max(map(len, printed.splitlines())) <= WIDTH
