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

import pytest

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

    process.send_signal(signal.SIGTERM)
    assert process.wait(DOWN_WITHIN_SECONDS) == 0
    assert not (folder / "env").exists()


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


def test_token_without_a_demo_is_one_sentence(tmp_path: Path) -> None:
    asked = subprocess.run(
        ["make", "-s", "token", f"STACK={tmp_path / 'none'}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.returncode == WRONG_USAGE
    assert asked.stdout == ""
    said, made = asked.stderr.splitlines()
    assert said == f"No demo runs in {tmp_path / 'none'}. Start one with `make demo` and leave it running."
    assert re.match(r"make(\[\d+\])?: \*\*\*", made)


def test_help_begins_with_the_two_commands_and_fits_a_terminal() -> None:
    printed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    names = re.findall(r"^  ([a-z-]+) ", printed, re.MULTILINE)
    assert names[:2] == ["demo", "test"]
    assert set(names) == set(
        re.findall(r"^\.PHONY: ([a-z-]+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    )
    assert max(map(len, printed.splitlines())) <= WIDTH
