"""Collect the attacks of OWASP's own regression tests of the Core Rule Set into attacks.json.

    apt-get source --download-only modsecurity-crs; tar xzf modsecurity-crs_3.3.4.orig.tar.gz
    python deploy/gateway/tests/collect_attacks.py coreruleset-3.3.4

Every request is taken that a test of these families expects to be found, by a critical rule of paranoia
level 1: one such rule is enough to block. Where the payload lies in a form, it is sent as JSON, since this
API takes no forms and would refuse each of them for that alone; so it would for `Accept-Charset`, which is
taken away. Headers that nginx drops (`X_Filename`) reach nobody and are left out. The tests are (c) Core Rule
Set project, Apache-2.0.
"""

import base64
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import yaml

FAMILIES = ("913", "921", "930", "931", "932", "933", "934", "941", "942", "943", "944")
FORM = "application/x-www-form-urlencoded"
RULE = re.compile(r"^SecRule .*?(?=^Sec|\Z)", re.DOTALL | re.MULTILINE)
# Where a request has no others, nor a query, its payload lies in its body.
USUAL_HEADERS = {"host", "user-agent", "accept", "accept-charset", "accept-encoding", "accept-language"}
USUAL_HEADERS |= {
    "cache-control",
    "connection",
    "content-type",
    "content-length",
    "pragma",
    "keep-alive",
    "proxy-connection",
}
DROPPED = re.compile(r"[^A-Za-z0-9-]")
FOUND = re.compile(r'id "(\d+)"')


def critical_rules(rules: Path) -> frozenset[str]:
    """Return the ids of rules that are critical, of paranoia level 1."""
    found = set()
    for file in rules.glob("REQUEST-*.conf"):
        for rule in RULE.findall(file.read_text(encoding="utf-8")):
            number = re.search(r"id:(\d+)", rule)
            if number and "paranoia-level/1" in rule and "severity:'CRITICAL'" in rule:
                found.add(number[1])
    return frozenset(found)


def inputs(tests: Path, rules: frozenset[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name and the input of each stage in which one of the rules finds something."""
    for file in sorted(tests.glob("REQUEST-*/*.yaml")):
        for test in yaml.safe_load(file.read_text(encoding="utf-8"))["tests"]:
            for number, stage in enumerate(test["stages"]):
                expected = FOUND.search(str(stage["stage"]["output"].get("log_contains", "")))
                given = stage["stage"]["input"]
                if any(DROPPED.search(str(name)) for name in given.get("headers", {})):
                    continue
                if expected and expected[1] in rules and expected[1].startswith(FAMILIES):
                    yield f"{test['test_title']}.{number}", given


def written(given: dict[str, Any]) -> bytes:
    """Return a request as the project's own tool sends it."""
    if "encoded_request" in given:
        return base64.b64decode(given["encoded_request"])
    data = given.get("data", "")
    body = ("\r\n".join(data) if isinstance(data, list) else str(data)).encode("utf-8", "surrogateescape")
    headers = {str(name): str(value) for name, value in given.get("headers", {}).items()}
    names = {name.lower() for name in headers}
    if body and "content-type" not in names:
        headers["Content-Type"] = FORM
    if body and "content-length" not in names:
        headers["Content-Length"] = str(len(body))
    headers = {
        name: value for name, value in headers.items() if name.lower() not in {"connection", "accept-charset"}
    }
    head = [f"{given.get('method', 'GET')} {given.get('uri', '/')} HTTP/1.1"]
    head += [f"{name}: {value}" for name, value in headers.items()]
    head += ["Connection: close", "", ""]
    return "\r\n".join(head).encode("utf-8", "surrogateescape") + body


def as_json(given: dict[str, Any]) -> bytes | None:
    """Return the payload of a form as JSON; None where there is no form that can be read."""
    data = given.get("data", "")
    headers = {str(name).lower(): value for name, value in given.get("headers", {}).items()}
    if not isinstance(data, str) or headers.get("content-type", FORM) != FORM:
        return None
    fields = parse_qsl(data, keep_blank_values=True)
    is_in_body = headers.keys() <= USUAL_HEADERS and "?" not in str(given.get("uri", "/"))
    if not fields or len(dict(fields)) < len(fields) or not is_in_body:
        return None
    body = json.dumps(dict(fields)).encode()
    head = [
        "POST /v1/corrections HTTP/1.1",
        "Host: localhost",
        "User-Agent: kiosk/1",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    return "\r\n".join([*head, "", ""]).encode() + body


def main(source: Path) -> None:
    """Write attacks.json beside this file."""
    rules = critical_rules(source / "rules")
    found = []
    for name, given in inputs(source / "tests/regression/tests", rules):
        request = as_json(given) or written(given)
        found.append({"name": name, "request": base64.b64encode(request).decode()})
    kept = {each["request"]: each for each in found}
    text = ",\n".join(json.dumps(each) for each in kept.values())
    (Path(__file__).parent / "attacks.json").write_text(f"[\n{text}\n]\n", encoding="utf-8")
    sys.stdout.write(f"{len(kept)} attacks\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
