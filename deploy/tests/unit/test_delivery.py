"""The scripts of the workflows, as far as they run without a cloud."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
DELIVERY = ROOT / ".github/delivery"
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
SHA = "0123456789abcdef0123456789abcdef01234567"


def version(ref: str) -> subprocess.CompletedProcess[str]:
    variables = {"GITHUB_REF": ref, "GITHUB_RUN_NUMBER": "41", "GITHUB_SHA": SHA}
    return subprocess.run(
        [DELIVERY / "version.sh"],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("ref", "expected"),
    [
        ("refs/tags/v1.4.0", "1.4.0"),
        ("refs/tags/v1.4.0-rc.1", "1.4.0-rc.1"),
        ("refs/heads/main", "0.0.0-main.41.g0123456789ab"),
    ],
)
def test_a_version_is_one_for_images_and_charts(ref: str, expected: str) -> None:
    assert version(ref).stdout == expected + "\n"


@pytest.mark.parametrize("tag", ["v1.4", "v1.4.0+build", "vnext", "v01.2.3", "v1.2.3/x"])
def test_a_tag_that_is_no_version_is_refused(tag: str) -> None:
    ended = version(f"refs/tags/{tag}")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert tag in ended.stderr


@pytest.mark.parametrize("script", ["log_in.sh", "tools.sh"])
def test_a_word_that_a_script_does_not_know_is_refused(script: str) -> None:
    ended = subprocess.run([DELIVERY / script, "nothing"], capture_output=True, text=True, check=False)
    assert ended.returncode == 2


def test_what_is_deployed_is_what_is_built() -> None:
    """The names in the matrix, in the list of what is proven before a deploy, and of the targets."""
    matrix = yaml.safe_load((ROOT / ".github/workflows/deliver.yml").read_text())["jobs"]["image"][
        "strategy"
    ]["matrix"]
    proven = re.search(r"^images=\((.+)\)$", (DELIVERY / "deploy.sh").read_text(), re.MULTILINE)
    assert proven is not None
    assert proven[1].split() == matrix["target"]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_has_no_permission_that_a_job_does_not_name(workflow: Path) -> None:
    content = yaml.safe_load(workflow.read_text())
    assert content["permissions"] == {}
    assert all("permissions" in job for job in content["jobs"].values())


def test_actions_are_pinned_by_commit() -> None:
    """Others' actions run with our permissions: a tag can be moved."""
    used = [
        line.split("uses:")[1].strip()
        for file in WORKFLOWS
        for line in file.read_text().splitlines()
        if "uses:" in line
    ]
    others = [each for each in used if not each.startswith("./")]
    assert others
    assert [
        each for each in others if not re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v[\d.]+", each)
    ] == []
