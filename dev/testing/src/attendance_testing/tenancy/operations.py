"""Every writing operation of ingest: what a request names, and how it is made.

A thing is named by a suffix: `1` is at the site of the actor, and another organisation used its id first; `a`
is there, too, and only this organisation uses its id; `2` is at another site; `b` is only another
organisation's; `x` is nobody's. A test holds the operations to the routes that ingest describes.
"""

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from PIL import Image

MARCH = {"starts_on": "2026-03-01", "ends_on": "2026-03-31"}
SITE_OF = {"1": "site-1", "a": "site-1", "2": "site-2", "b": "site-b", "x": "site-x"}
Suffixes = Mapping[str, str]
_numbers = count(1)


def _picture() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (48, 48), "grey").save(buffer, "PNG")
    return buffer.getvalue()


PIXELS = _picture()


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent, and by whom: role, subject and sites of the token. `fact`: the id that it makes."""

    method: str
    path: str
    role: str
    subject: str
    sites: tuple[str, ...] = ("site-1",)
    json: Mapping[str, Any] | None = None
    content: bytes | None = None
    files: Any = None
    fact: str | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """A route, the fields by which a request names something with the kind of thing, and how it is made.

    `creates`: a field whose id may be new. `whole`: it takes a token for the whole organisation.
    `serves_all`: fields that may name anybody of the organisation, also who is not recorded yet.
    `row`: table and column that hold the fact.
    """

    method: str
    path: str
    named: Mapping[str, str]
    make: Callable[[Suffixes], Request]
    creates: str | None = None
    whole: bool = False
    serves_all: frozenset[str] = field(default=frozenset())
    row: tuple[str, str] | None = None


def uuid_of(kind: str, suffix: str) -> str:
    """Return the id of a capture, punch, correction or lock; of a kind and suffix it is always the same."""
    return str(_time_ordered(uuid5(NAMESPACE_URL, f"{kind}:{suffix}").int))


def new_uuid(kind: str) -> str:
    """Return an id that nobody has used."""
    return uuid_of(kind, f"new {next(_numbers)}")


def _time_ordered(bits: int) -> UUID:
    milliseconds = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp() * 1000)
    return UUID(
        int=milliseconds << 80 | 7 << 76 | bits >> 52 & 0xFFF << 64 | 0b10 << 62 | bits & (1 << 62) - 1
    )


def now(**ago: float) -> str:
    """Return an instant so long ago."""
    return (datetime.now(UTC) - timedelta(**ago)).isoformat()


# Directory: fields that name something else, what each kind is recorded with, and who records it.
DOCUMENTS: Mapping[str, tuple[str, Mapping[str, str], Callable[[Suffixes], dict[str, Any]]]] = {
    "organisations": ("ops", {}, lambda _: {"name": "Acme", "time_zone": "UTC"}),
    "sites": ("hr", {}, lambda _: {"name": "Site", "time_zone": "UTC"}),
    "devices": (
        "ops",
        {"site_id": "site"},
        lambda ids: {"site_id": SITE_OF[ids["site_id"]], "name": "Gate", "kind": "KIOSK"},
    ),
    "persons": (
        "hr",
        {"home_site_id": "site", "default_shift_id": "shift"},
        lambda ids: {
            "home_site_id": SITE_OF[ids["home_site_id"]],
            "display_name": "Somebody",
            "default_shift_id": f"shift-{ids['default_shift_id']}",
        },
    ),
    "shifts": (
        "hr",
        {},
        lambda _: {"effective_on": "2026-01-01", "name": "Day", "start": "08:00", "end": "16:00"},
    ),
    "rosters": (
        "hr",
        {"person_id": "person", "shift_id": "shift"},
        lambda ids: {
            "person_id": f"person-{ids['person_id']}",
            "shift_id": f"shift-{ids['shift_id']}",
            "starts_on": "2026-01-01",
            "ends_on": "2026-01-31",
            # Of one person there are several.
            "in_addition": True,
        },
    ),
    "holidays": (
        "hr",
        {"site_id": "site"},
        lambda ids: {"site_id": SITE_OF[ids["site_id"]], "name": "Holiday", "holiday_on": "2026-01-26"},
    ),
    "leaves": (
        "hr",
        {"person_id": "person"},
        lambda ids: {
            "person_id": f"person-{ids['person_id']}",
            "starts_on": "2026-01-05",
            "ends_on": "2026-01-06",
        },
    ),
    "policies": (
        "hr",
        {"site_id": "site"},
        lambda ids: {
            "site_id": SITE_OF[ids["site_id"]],
            "name": "Policy",
            "effective_on": "2026-01-01",
            "expects_attendance": False,
        },
    ),
}
ID_FIELD = {kind: "org_id" if kind == "organisations" else f"{kind[:-1]}_id" for kind in DOCUMENTS} | {
    "leaves": "leave_id",
    "policies": "policy_id",
}
WHOLE = {"organisations", "shifts"}
VERSIONED = {"shifts", "policies"}
TAKEN_BACK = ("shifts", "rosters", "holidays", "leaves", "policies")


def identity_of(kind: str, suffix: str) -> str:
    """Return the id of a directory record."""
    if kind == "organisations":
        return {"b": "beta", "x": "nobody"}.get(suffix, "alpha")
    return SITE_OF[suffix] if kind == "sites" else f"{ID_FIELD[kind][:-3]}-{suffix}"


def _directory_operations() -> list[Operation]:
    made = []
    for kind, (role, named, document) in DOCUMENTS.items():
        sites = () if kind in WHOLE else ("site-1",)
        creates = None if kind in {"organisations", "sites"} else "identity"
        rows = {"leaves": "leave", "policies": "policy"}
        row = (rows.get(kind, kind[:-1]), ID_FIELD[kind])

        def put(ids: Suffixes, kind=kind, role=role, document=document, sites=sites) -> Request:  # type: ignore[no-untyped-def]
            identity = identity_of(kind, ids["identity"])
            path = f"/v1/directory/{kind}/{identity}"
            return Request("PUT", path, role, "limited", sites, json=document(ids), fact=identity)

        def load(ids: Suffixes, kind=kind, role=role, document=document, sites=sites) -> Request:  # type: ignore[no-untyped-def]
            identity = identity_of(kind, ids["identity"])
            cells = {ID_FIELD[kind]: identity} | document(ids)
            lines = [",".join(cells), ",".join(map(str, cells.values()))]
            content = ("\n".join(lines) + "\n").encode()
            path = f"/v1/directory/{kind}/import"
            return Request("POST", path, role, "limited", sites, content=content, fact=identity)

        names = {"identity": kind[:-1]} | named
        whole = kind in WHOLE
        path = f"/v1/directory/{kind}"
        made += [
            Operation("PUT", path + "/{identity}", names, put, creates, whole, row=row),
            Operation("POST", path + "/import", names, load, creates, whole, row=row),
        ]
    for kind in TAKEN_BACK:

        def take(ids: Suffixes, kind=kind) -> Request:  # type: ignore[no-untyped-def]
            version = "?effective_on=2026-01-01" if kind in VERSIONED else ""
            path = f"/v1/directory/{kind}/{identity_of(kind, ids['identity'])}{version}"
            return Request("DELETE", path, "hr", "limited", () if kind in WHOLE else ("site-1",))

        path = f"/v1/directory/{kind}/{{identity}}"
        made.append(Operation("DELETE", path, {"identity": kind[:-1]}, take, whole=kind in WHOLE))
    return made


def _device_operations() -> list[Operation]:
    def capture(ids: Suffixes) -> Request:
        identity, at = ids.get("id") or new_uuid("capture"), now(minutes=1)
        metadata = {"capture_id": identity, "device_sequence": next(_numbers), "captured_at": at}
        parts = {"image": ("a.png", PIXELS, "image/png")}
        parts["metadata"] = (None, json.dumps(metadata | {"device_now": now()}))  # type: ignore[assignment]
        return _by_device(ids, "/v1/captures", identity, files=parts)

    def punch(ids: Suffixes) -> Request:
        identity, at = ids.get("id") or new_uuid("punch"), now(minutes=1)
        document = {"punch_id": identity, "device_sequence": next(_numbers), "method": "pin"}
        document |= {"person_id": f"person-{ids['person_id']}", "captured_at": at, "device_now": now()}
        return _by_device(ids, "/v1/punches", identity, json=document)

    anybody = frozenset({"person_id"})
    return [
        Operation("POST", "/v1/captures", {"device": "device"}, capture),
        Operation(
            "POST",
            "/v1/punches",
            {"device": "device", "person_id": "person"},
            punch,
            serves_all=anybody,
            row=("punch", "punch_id"),
        ),
    ]


def _by_device(ids: Suffixes, path: str, fact: str, **parts: Any) -> Request:
    """Return a request of a device; `2`: of one at the actor's site by a token for another site."""
    device, sites = ids["device"], ("site-2",) if ids["device"] == "2" else ()
    name = "device-1" if device == "2" else f"device-{device}"
    return Request("POST", path, "device", name, sites, fact=fact, **parts)


def _person_operations() -> list[Operation]:
    def enrol(ids: Suffixes) -> Request:
        lookalike = ids["lookalike"]
        identity = new_uuid("enrolment")
        metadata = {
            "person_id": f"person-{ids['person_id']}",
            "consent_reference": "c",
            "enrolment_id": identity,
            "accepted_lookalikes": [] if lookalike == ids["person_id"] else [f"person-{lookalike}"],
        }
        parts = {"photos": ("a.png", PIXELS, "image/png"), "metadata": (None, json.dumps(metadata))}
        return Request("POST", "/v1/enrolments", "hr", "limited", files=parts, fact=identity)

    def erase(ids: Suffixes) -> Request:
        return Request("DELETE", f"/v1/people/person-{ids['person_id']}/biometrics", "hr", "limited")

    def supervise(ids: Suffixes) -> Request:
        identity, at = new_uuid("punch"), now(minutes=1)
        document = {"punch_id": identity, "captured_at": at, "device_now": now(), "reason": "asked"}
        document |= {"person_id": f"person-{ids['person_id']}", "site_id": SITE_OF[ids["site_id"]]}
        return Request(
            "POST", "/v1/punches/supervised", "supervisor", "limited", json=document, fact=identity
        )

    return [
        Operation("POST", "/v1/enrolments", {"person_id": "person", "lookalike": "person"}, enrol),
        Operation("DELETE", "/v1/people/{person_id}/biometrics", {"person_id": "person"}, erase),
        Operation(
            "POST",
            "/v1/punches/supervised",
            {"person_id": "person", "site_id": "site"},
            supervise,
            row=("punch", "punch_id"),
        ),
    ]


def _correction_operations() -> list[Operation]:
    def correction(
        path: str,
        named: Mapping[str, str],
        fields: Callable[[Suffixes], dict[str, Any]],
        row: tuple[str, str] = ("correction", "correction_id"),
    ) -> Operation:
        def make(ids: Suffixes) -> Request:
            identity = new_uuid("correction")
            document = {"correction_id": identity, "reason": "asked"} | fields(ids)
            url = f"/v1/corrections/{path}"
            return Request("POST", url, "supervisor", "limited", json=document, fact=identity)

        return Operation("POST", f"/v1/corrections/{path}", named, make, row=row)

    def person(ids: Suffixes) -> dict[str, Any]:
        return {"person_id": f"person-{ids['person_id']}"}

    of_person = {"person_id": "person"}
    return [
        correction(
            "additions",
            of_person | {"site_id": "site"},
            lambda ids: person(ids) | {"punched_at": now(hours=2), "site_id": SITE_OF[ids["site_id"]]},
        ),
        correction(
            "voids",
            of_person | {"punch_id": "punch"},
            lambda ids: person(ids) | {"punch_id": uuid_of("punch", ids["punch_id"])},
        ),
        correction(
            "overrides",
            of_person | {"shift_id": "shift"},
            lambda ids: (
                person(ids)
                | {"attendance_on": "2026-10-05", "status": "LEAVE", "shift_id": f"shift-{ids['shift_id']}"}
            ),
        ),
        correction(
            "reviews",
            of_person | {"capture_id": "capture"},
            lambda ids: person(ids) | {"capture_id": uuid_of("capture", ids["capture_id"])},
            ("review", "review_id"),
        ),
    ]


def _period_operations() -> list[Operation]:
    def lock(ids: Suffixes) -> Request:
        identity = ids.get("id") or new_uuid("lock")
        document = {"lock_id": identity, "reason": "asked", "site_id": SITE_OF[ids["site_id"]]} | MARCH
        return Request("POST", "/v1/periods/locks", "hr", "limited", json=document, fact=identity)

    def reopen(ids: Suffixes) -> Request:
        lock_id = uuid_of("lock", ids["lock_id"])
        document = {"reopening_id": new_uuid("reopening"), "lock_id": lock_id, "reason": "asked"}
        return Request("POST", "/v1/periods/reopenings", "hr", "whole", (), json=document, fact=lock_id)

    row = ("period_lock", "lock_id")
    return [
        Operation("POST", "/v1/periods/locks", {"site_id": "site"}, lock, row=row),
        Operation("POST", "/v1/periods/reopenings", {"lock_id": "lock"}, reopen, whole=True, row=row),
    ]


OPERATIONS = (
    *_directory_operations(),
    *_device_operations(),
    *_person_operations(),
    *_correction_operations(),
    *_period_operations(),
)
