from pathlib import Path

import pytest
import yaml

from attendance_containers.charts.errors import NotInStep
from attendance_containers.charts.made_files import check_in_step, made_files
from attendance_deploy.access.permissions import read_permissions
from attendance_schemas.topics import TOPICS, dead_letter_topics

ROOT = Path(__file__).parents[5]


def test_the_files_of_the_charts_are_what_their_sources_say() -> None:
    check_in_step(made_files(ROOT, read_permissions(ROOT / "deploy/access.yaml")))


def test_a_file_that_differs_is_named(tmp_path: Path) -> None:
    path = tmp_path / "topics.yaml"
    path.write_text("topics: []\n")
    with pytest.raises(
        NotInStep, match=r"topics.yaml: .* run `python -m attendance_containers.charts write`"
    ):
        check_in_step({path: "topics: [one]\n"})


def test_every_topic_and_its_dead_letters_are_there() -> None:
    made = yaml.safe_load((ROOT / "charts/attendance-engines/files/topics.yaml").read_text())["topics"]
    assert {each["name"] for each in made} == {*TOPICS, *(topic.name for topic in dead_letter_topics())}


def test_no_user_may_read_what_is_not_its_own() -> None:
    made = yaml.safe_load((ROOT / "charts/attendance-engines/files/users.yaml").read_text())["users"]
    topics = {
        user["name"]: {
            acl["resource"]["name"]
            for acl in user["acls"]
            if acl["resource"]["type"] == "topic" and "Read" in acl["operations"]
        }
        for user in made
    }
    assert topics["query-api"] == {"attendance.matches"}
    assert "attendance.gallery" not in topics["attendance-projector"] | topics["ingest"]
    assert topics["prepare"] == set()
