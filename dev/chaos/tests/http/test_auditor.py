"""The auditor finds what is wrong with the answers of a query API that lies."""

import copy
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from chaos.auditor import QueryApi
from chaos.judging import Journal, Sent, Verdict, judge

ON = "2026-11-03"
START = datetime(2026, 11, 3, 8, tzinfo=UTC)


def check_in(number: int, person_id: str, kind: str = "punch", **facts: object) -> list[dict[str, Any]]:
    sent = {
        "event": "sent",
        "id": f"{kind}-{number}",
        "kind": kind,
        "person_id": person_id,
        "on": ON,
        "at": (START + timedelta(hours=number)).isoformat(),
        **facts,
    }
    return [sent, {"event": "answered", "id": sent["id"], "status": 202, "tries": 1}]


def day(person_id: str, ids: list[str], hours: list[int], **changed: object) -> dict[str, Any]:
    instants = [(START + timedelta(hours=hour)).isoformat() for hour in hours]
    is_even = len(hours) % 2 == 0
    return {
        "attendance_on": ON,
        "shift_id": "day",
        "punch_count": len(ids),
        "first_in_at": instants[0],
        "last_out_at": instants[-1] if is_even else None,
        "worked_minutes": 60 * (hours[-1] - hours[0]) if is_even else 0,
        "explanation": [
            {"rule": "shift_version", "punch": None, "text": "2026-01-01"},
            *[{"rule": "window", "punch": id, "text": "in"} for id in ids],
            *[{"rule": "alternating_pairing", "punch": id, "text": "an in"} for id in ids],
        ],
        **changed,
    }


@pytest.fixture
def journal() -> list[dict[str, Any]]:
    return [
        *check_in(0, "anna", device_id="gate"),
        *check_in(8, "anna", device_id="gate"),
        *check_in(1, "ben", "capture", device_id="camera"),
        *check_in(9, "ben", "addition"),
        *check_in(3, "anna", device_id="gate"),
        *check_in(4, "anna", "void", voids="punch-3"),
    ]


@pytest.fixture
def answers() -> dict[str, Any]:
    added = {"rule": "add_correction", "punch": "made-up", "text": "added by hr at 10:00: chaos addition-9"}
    ben = day("ben", ["capture-1", "made-up"], [1, 9])
    ben["explanation"].append(added)
    return {
        "anna": [day("anna", ["punch-0", "punch-8"], [0, 8])],
        "ben": [ben],
        "captures": [{"capture_id": "capture-1", "outcome": "IDENTIFIED", "person_id": "ben"}],
    }


def answer(answers: dict[str, Any], path: str, query: str) -> Any:
    match path.strip("/").split("/"):
        case ["v1", "people", person_id, "attendance"]:
            return {"days": answers.get(person_id, [])}
        case ["v1", "captures"]:
            at = int(parse_qs(query).get("cursor", ["0"])[0])
            rest = answers["captures"][at:]
            return {"items": rest[:1], "next": f"/v1/captures?cursor={at + 1}" if len(rest) > 1 else None}
        case ["v1", "punches", punch_id]:
            return {"punch_id": punch_id, "state": "REFUSED"}
    raise AssertionError(path)


def audited(journal: list[dict[str, Any]], answers: dict[str, Any], folder: Path) -> Verdict:
    path = folder / "journal.jsonl"
    path.write_text("".join(json.dumps(entry) + "\n" for entry in journal))
    read = Journal.read(path)

    def respond(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=answer(answers, request.url.path, request.url.query.decode()))

    with httpx.Client(base_url="http://api", transport=httpx.MockTransport(respond)) as client:
        return judge(read, QueryApi(client).read(read))


@pytest.mark.parametrize("status", [429, 503])
def test_the_auditor_asks_again_when_it_is_told_to_come_later(status, answers):
    told = iter([httpx.Response(status, text="later")])

    def respond(request: httpx.Request) -> httpx.Response:
        page = answer(answers, request.url.path, request.url.query.decode())
        return next(told, httpx.Response(200, json=page))

    read = Journal({"punch-0": Sent("punch-0", "punch", "anna", ON, START, status=202)})
    with httpx.Client(base_url="http://api", transport=httpx.MockTransport(respond)) as client:
        assert "punch-0" in QueryApi(client).read(read).counted


def kinds(verdict: Verdict) -> dict[str, str]:
    return {finding.kind: finding.id for finding in verdict.findings}


def test_nothing_is_found_when_all_is_well(journal, answers, tmp_path):
    verdict = audited(journal, answers, tmp_path)
    assert not verdict.findings
    assert (verdict.sent, verdict.accepted, verdict.counted) == (6, 6, 4)


def test_a_loss_is_found(journal, answers, tmp_path):
    answers["anna"] = [day("anna", ["punch-8"], [8])]
    assert kinds(audited(journal, answers, tmp_path)) == {"lost": "punch-0", "wrong_totals": f"anna/{ON}"}


def test_a_lost_day_is_found(journal, answers, tmp_path):
    answers["ben"] = []
    verdict = audited(journal, answers, tmp_path)
    assert [(finding.kind, finding.id) for finding in verdict.findings] == [
        ("lost", "capture-1"),
        ("lost", "addition-9"),
    ]


def test_one_check_in_in_two_days_is_found(journal, answers, tmp_path):
    again = copy.deepcopy(answers["anna"][0]) | {"shift_id": "night"}
    answers["anna"].append(again)
    verdict = audited(journal, answers, tmp_path)
    assert {(finding.kind, finding.id) for finding in verdict.findings} == {
        ("double_counted", "punch-0"),
        ("double_counted", "punch-8"),
    }


def test_a_count_that_nothing_explains_is_found(journal, answers, tmp_path):
    answers["anna"][0]["punch_count"] = 3
    assert kinds(audited(journal, answers, tmp_path)) == {"double_counted": f"anna/{ON}"}


def test_a_capture_that_is_listed_twice_is_found(journal, answers, tmp_path):
    answers["captures"] *= 2
    assert kinds(audited(journal, answers, tmp_path)) == {"double_counted": "capture-1"}


def test_a_check_in_of_somebody_else_is_found(journal, answers, tmp_path):
    answers["anna"], answers["ben"][0]["explanation"][-2]["punch"] = [], "punch-0"
    found = audited(journal, answers, tmp_path).findings
    assert ("misplaced", "punch-0") in {(finding.kind, finding.id) for finding in found}


def test_another_date_is_found(journal, answers, tmp_path):
    answers["anna"][0]["attendance_on"] = "2026-11-02"
    found = {(finding.kind, finding.id) for finding in audited(journal, answers, tmp_path).findings}
    assert {("misplaced", "punch-0"), ("misplaced", "punch-8")} <= found


def test_another_decision_is_found(journal, answers, tmp_path):
    answers["captures"][0]["outcome"] = "UNKNOWN"
    assert kinds(audited(journal, answers, tmp_path)) == {"misplaced": "capture-1"}
    answers["captures"] = []
    assert kinds(audited(journal, answers, tmp_path)) == {"undecided": "capture-1"}


def test_what_nobody_sent_is_found(journal, answers, tmp_path):
    assert kinds(audited(journal[:-4], answers, tmp_path)) == {}
    answers["anna"] = [day("anna", ["punch-0", "stray", "stray-2", "punch-8"], [0, 2, 3, 8])]
    assert kinds(audited(journal, answers, tmp_path)) == {"invented": "stray-2"}


def test_a_void_without_effect_is_found(journal, answers, tmp_path):
    answers["anna"] = [day("anna", ["punch-0", "punch-3", "punch-8"], [0, 3, 8])]
    found = kinds(audited(journal, answers, tmp_path))
    assert found == {"not_voided": "punch-3", "wrong_totals": f"anna/{ON}"}


def test_wrong_minutes_are_found(journal, answers, tmp_path):
    answers["anna"][0]["worked_minutes"] -= 30
    assert kinds(audited(journal, answers, tmp_path)) == {"wrong_totals": f"anna/{ON}"}


def test_refusals_and_silence_are_found(journal, answers, tmp_path):
    journal[1]["status"] = 422
    del journal[3]
    found = kinds(audited(journal, answers, tmp_path))
    assert found["refused"] == "punch-0"
    assert found["unanswered"] == "punch-8"


def test_it_comes_again_when_it_asks_too_often(journal, answers, tmp_path):
    path = tmp_path / "journal.jsonl"
    path.write_text("".join(json.dumps(entry) + "\n" for entry in journal))
    read, asked = Journal.read(path), []

    def respond(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        if len(asked) % 2:
            return httpx.Response(429, headers={"Retry-After": "0"})
        return httpx.Response(200, json=answer(answers, request.url.path, request.url.query.decode()))

    with httpx.Client(base_url="http://api", transport=httpx.MockTransport(respond)) as client:
        assert not judge(read, QueryApi(client).read(read)).findings
    assert asked[::2] == asked[1::2]


@pytest.fixture
def server(answers: dict[str, Any]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            is_known = self.headers["Authorization"] == "Bearer secret"
            self.send_response(200 if is_known else 401)
            self.end_headers()
            self.wfile.write(json.dumps(answer(answers, parts.path, parts.query)).encode())

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


def test_the_script_says_so_and_by_its_exit_code(server, journal, answers, tmp_path):
    path = tmp_path / "journal.jsonl"
    path.write_text("".join(json.dumps(entry) + "\n" for entry in journal))

    def script(*options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "chaos.auditor", str(path), "--url", server, *options]
        environ = {"AUDITOR_TOKEN": "secret"}
        return subprocess.run(
            command, env=environ, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False
        )

    run = script()
    assert run.returncode == 0, run.stderr
    assert "lost=0 double_counted=0 misplaced=0" in run.stdout
    answers["anna"] = []
    run = script("--json", "--wait", "0.1")
    assert run.returncode == 1
    said = json.loads(run.stdout)
    assert (said["lost"], said["accepted"]) == (2, 6)
    assert {finding["id"] for finding in said["findings"]} == {"punch-0", "punch-8"}
    assert all('"state": "REFUSED"' in finding["text"] for finding in said["findings"])
