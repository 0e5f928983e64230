"""Says whether every accepted check-in counts once, in its place: `python -m chaos.auditor JOURNAL --url U`.

It reads two things: the journal of what was sent and answered, and what the query API at U tells now. It
knows no store, no topic and nothing of the services' code, so that it cannot share their mistakes. The token
comes from AUDITOR_TOKEN. Exit code 0: all is well; 1: it is not, each finding is named.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx

from chaos.judging import ADDITION, CAPTURE, VOID, Finding, Journal, Told, Verdict, judge

POLL_SECONDS = 0.5
ANSWER_WITHIN_SECONDS = 30.0
# It is away, or asked too often; both tell when to come again.
TRY_AGAIN = frozenset({429, 503})
SHOWN_FINDINGS = 20
# Where the API tells the fate of each.
FATES = {"punch": "punches", CAPTURE: "captures", ADDITION: "corrections", VOID: "corrections"}


class QueryApi:
    """The query API as an auditor reads it; asks again while it is away, or asked too often."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def read(self, journal: Journal) -> Told:
        """Read the days of everybody in the journal, and the captures of its devices."""
        told = Told()
        check_ins = list(journal.check_ins())
        if not check_ins:
            return told
        additions = {f"chaos {each.id}": each.id for each in check_ins if each.kind == ADDITION}
        days = sorted(each.on for each in check_ins)
        for person_id in sorted({each.person_id for each in check_ins}):
            # One day more on each side: what is misplaced by a day is found there.
            first, last = (
                date.fromisoformat(days[end]) + timedelta(days=step) for end, step in ((0, -1), (-1, 1))
            )
            answer = self._get(f"/v1/people/{person_id}/attendance", {"from": f"{first}", "to": f"{last}"})
            for day in answer.get("days", ()):
                told.add_day(person_id, day, additions)
        instants = [each.at for each in check_ins if each.kind == CAPTURE]
        for device_id in sorted(
            {each.device_id for each in check_ins if each.kind == CAPTURE and each.device_id}
        ):
            page: str | None = "/v1/captures"
            parameters = {
                "from": (min(instants) - timedelta(days=1)).isoformat(),
                "to": (max(instants) + timedelta(days=1)).isoformat(),
                **{"device": device_id, "limit": "1000"},
            }
            while page:
                answer = self._get(page, parameters)
                for item in answer["items"]:
                    told.decided[item["capture_id"]].append((item["outcome"], item["person_id"]))
                page, parameters = answer["next"], {}
        return told

    def explain(self, finding: Finding, journal: Journal) -> Finding:
        """Add what the API tells of the fate of something that is lost: waiting, refused, a dead letter."""
        sent = journal.sent.get(finding.id)
        if finding.kind != "lost" or sent is None:
            return finding
        try:
            fate = self._get(f"/v1/{FATES[sent.kind]}/{finding.id}", {}) or "nothing is known of it"
        except httpx.HTTPStatusError as refused:
            fate = f"its fate is not told: {refused}"
        return replace(finding, text=f"{finding.text}: {json.dumps(fate)}")

    def _get(self, path: str, parameters: Mapping[str, str]) -> Any:
        until = time.monotonic() + ANSWER_WITHIN_SECONDS
        while True:
            pause = POLL_SECONDS
            try:
                response = self._client.get(path, params=parameters or None)
            except httpx.TransportError as error:
                problem = repr(error)
            else:
                if response.status_code == httpx.codes.NOT_FOUND:
                    return {}
                if response.status_code not in TRY_AGAIN:
                    response.raise_for_status()
                    return response.json()
                problem, pause = response.text, float(response.headers.get("Retry-After", pause))
            if time.monotonic() > until:
                raise TimeoutError(f"the query API does not answer {path}: {problem}")
            time.sleep(pause)


def audit(path: Path, api: QueryApi, wait_seconds: float) -> Verdict:
    """Judge again until nothing is found, for `wait_seconds` at most: late is fine, never is not."""
    began = time.monotonic()
    while True:
        journal = Journal.read(path)
        verdict = judge(journal, api.read(journal))
        passed = time.monotonic() - began
        if not verdict.findings or passed > wait_seconds:
            findings = [
                api.explain(each, journal) if number < SHOWN_FINDINGS else each
                for number, each in enumerate(verdict.findings)
            ]
            return replace(verdict, findings=findings, seconds=passed)
        time.sleep(POLL_SECONDS)


def main() -> int:
    """Audit, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("journal", type=Path, help="JSON lines of what was sent and answered")
    parser.add_argument("--url", required=True, help="where the query API answers")
    parser.add_argument("--wait", type=float, default=0.0, help="seconds to wait for what is late")
    parser.add_argument("--json", action="store_true", help="print JSON for scripts")
    options = parser.parse_args()
    headers = {"Authorization": f"Bearer {os.environ.get('AUDITOR_TOKEN', '')}"}
    with httpx.Client(base_url=options.url, headers=headers, timeout=ANSWER_WITHIN_SECONDS) as client:
        verdict = audit(options.journal, QueryApi(client), options.wait)
    if options.json:
        sys.stdout.write(verdict.as_json() + "\n")
    else:
        for finding in verdict.findings[:SHOWN_FINDINGS]:
            sys.stdout.write(f"{finding.kind} {finding.id}: {finding.text}\n")
        sys.stdout.write(f"auditor: {verdict}\n")
    return 1 if verdict.findings else 0


if __name__ == "__main__":
    sys.exit(main())
