"""The command line of a service as a shell sees it: a process, its output and its exit code."""

import os
import subprocess
import sys

import pytest

GREETER = """
from typing import ClassVar
from pydantic import Field
from service_kit.command import command_line, serve_until_stopped
from service_kit.settings import HttpSettings, KafkaSettings

class Settings(HttpSettings):
    env_prefix: ClassVar[str] = "GREETER_"
    ending: str = Field(default="well", description="how it ends")
    kafka: KafkaSettings = Field(default_factory=KafkaSettings)

class Refused(Exception):
    pass

async def greet(settings, stopping):
    if settings.ending == "refused":
        raise Refused("nobody to greet: name somebody")
    if settings.ending == "badly":
        raise RuntimeError("a bug")
    print("hello")

def run():
    \"\"\"Greet once.\"\"\"
    serve_until_stopped("greeter", Settings, greet, refusals=(Refused,))

command_line("greeter", "Greet people.", Settings, run)(prog_name="greeter")
"""
COMPLETE = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}


def greeter(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KAFKA_")}
    return subprocess.run(
        [sys.executable, "-c", GREETER, *arguments],
        env={**kept, "COLUMNS": "80", **environ},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("arguments", [(), ("run",)])
def test_the_bare_name_runs_the_service(arguments):
    ended = greeter(*arguments, **COMPLETE)
    assert (ended.returncode, ended.stdout) == (0, "hello\n")


def test_help_lists_the_settings_of_the_service_and_of_its_groups():
    ended = greeter("--help")
    assert ended.returncode == 0
    lines = [" ".join(line.split()) for line in ended.stdout.splitlines()]
    assert "GREETER_ENDING how it ends (default well)" in lines
    assert any(line.startswith("KAFKA_BOOTSTRAP_SERVERS") for line in lines)
    assert all(len(line) <= 80 for line in ended.stdout.splitlines())


@pytest.mark.parametrize("arguments", [("--check-config",), ("run",), ()])
def test_wrong_settings_are_one_sentence_that_names_all_of_them(arguments):
    ended = greeter(*arguments, GREETER_TRACING_ENDPOINT="", KAFKA_SECURITY_PROTOCOL="none")
    assert ended.returncode == 2
    (sentence,) = ended.stderr.splitlines()
    assert sentence.startswith("greeter: ")
    assert "KAFKA_BOOTSTRAP_SERVERS is not set" in sentence
    assert "KAFKA_SECURITY_PROTOCOL: " in sentence


def test_complete_settings_are_said_to_be_complete():
    ended = greeter("--check-config", **COMPLETE)
    assert (ended.returncode, ended.stdout) == (0, "the settings are complete\n")


def test_a_probe_of_nobody_fails_and_says_so():
    ended = greeter("probe", "ready", **COMPLETE, GREETER_PORT="1")
    assert (ended.returncode, "127.0.0.1:1 does not answer" in ended.stdout) == (1, True)
    assert greeter("probe", "well", **COMPLETE).returncode == 2


@pytest.mark.parametrize(("ending", "code", "said"), [("refused", 2, "name somebody"), ("badly", 1, "a bug")])
def test_the_exit_code_tells_what_to_do(ending, code, said):
    ended = greeter(GREETER_ENDING=ending, **COMPLETE)
    assert ended.returncode == code
    assert said in ended.stderr
