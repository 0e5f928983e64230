"""kube-score's opinion of rendered charts: a finding is mended, or explained in findings.toml."""

import json
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attendance_containers.charts.errors import ChartWrong
from attendance_containers.go_programs import KUBERNETES

FINDINGS = Path(__file__).with_name("findings.toml")
# kube-score's grades: 1 critical, 5 warning, 7 almost, 10 fine.
FINE = 10


def findings(kube_score: Path, rendered: str) -> list[dict[str, str]]:
    """Return what kube-score finds in a rendered chart, by check and object. Raises ChartWrong."""
    minor = KUBERNETES.rpartition(".")[0]
    command = [str(kube_score), "score", "--output-format", "json", "--kubernetes-version", f"v{minor}", "-"]
    run = subprocess.run(command, input=rendered, capture_output=True, text=True, check=False)  # noqa: S603
    if not run.stdout.startswith(("[", "{")):
        raise ChartWrong(f"kube-score gave no opinion: {run.stdout}{run.stderr}")
    return list(_found(json.loads(run.stdout)))


def _found(scores: list[dict[str, Any]]) -> Iterator[dict[str, str]]:
    for scored in scores:
        for check in scored["checks"] or ():
            if check["skipped"] or check["grade"] >= FINE:
                continue
            for comment in check["comments"] or [{"summary": ""}]:
                said = f"{comment.get('path', '')} {comment['summary']}".strip()
                yield {"check": check["check"]["id"], "object": scored["object_name"], "says": said}


def unexplained(found: list[dict[str, str]]) -> Iterator[str]:
    """Yield the findings without a reason, and the reasons without a finding."""
    stays = tomllib.loads(FINDINGS.read_text(encoding="utf-8"))["stays"]
    used = set()
    for finding in found:
        reasons = [number for number, each in enumerate(stays) if _is_about(each, finding)]
        used.update(reasons)
        if not reasons:
            yield f"{finding['object']}: {finding['check']}: {finding['says']}"
    for number, each in enumerate(stays):
        if number not in used:
            yield f"{FINDINGS.name} explains {each['check']}, which nobody finds any more: take it away"


def _is_about(reason: dict[str, str], finding: dict[str, str]) -> bool:
    text = f"{finding['object']} {finding['says']}"
    return reason["check"] == finding["check"] and reason.get("says", "") in text
