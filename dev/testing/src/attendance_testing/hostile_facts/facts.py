"""Make sound requests, and harm some of their fields: the same seed makes the same facts."""

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from attendance_testing.hostile_facts.edges import EDGES, another_type
from attendance_testing.tenancy.operations import OPERATIONS, Operation, Request

# Fields that a request may have beside those that a sound one has, by the end of its path.
OPTIONAL: Mapping[str, tuple[str, ...]] = {
    "captures": ("monotonic_ms", "boot_id", "monotonic_now_ms", "boot_id_now", "direction", "claimed_badge"),
    "punches": ("monotonic_ms", "boot_id", "monotonic_now_ms", "boot_id_now", "direction", "badge"),
    "supervised": ("direction", "monotonic_ms", "boot_id"),
    "additions": ("direction", "site_id"),
    "voids": ("voided_correction_id",),
    "overrides": ("worked_minutes", "overtime_minutes", "first_in_at", "last_out_at"),
    "reviews": (),
    "enrolments": (),
    "locks": (),
    "reopenings": (),
}
# How often each is sent: devices send most.
WEIGHTS = {
    "captures": 4,
    "punches": 8,
    "supervised": 3,
    "additions": 4,
    "voids": 4,
    "overrides": 4,
    "reviews": 3,
}
# The id of the fact, and who tells its fate.
ID_FIELD = {
    "captures": "capture_id",
    "punches": "punch_id",
    "supervised": "punch_id",
    "enrolments": "enrolment_id",
    "locks": "lock_id",
    "reopenings": "reopening_id",
}
RESENT, DROPPED, RETYPED = 0.05, 0.05, 0.03


@dataclass(frozen=True, slots=True)
class Fact:
    """A request, the kind of fact that it is, and its id as the sender wrote it."""

    request: Request
    kind: str
    identity: str
    is_normal: bool = False


@dataclass(slots=True)
class Facts:
    """Makes facts. seed: the same one makes the same, but for ids and instants.

    What is named has one of these suffixes; the device of normal facts sends no others, so no number of its
    is taken.
    """

    seed: int
    suffixes: tuple[str, ...] = ("1", "b")
    normal_suffix: str = "a"
    _chance: random.Random = field(init=False)
    _ids: list[str] = field(default_factory=list)
    _sent: list[Fact] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)  # not for secrets

    def normal(self) -> Fact:
        """Return a capture or a punch such as every kiosk sends all day."""
        return replace(
            self._sound(self._chance.choice(("captures", "punches")), self.normal_suffix), is_normal=True
        )

    def hostile(self) -> Fact:
        """Return a fact of which one field or more is at or over an edge; now and then one sent before."""
        if self._sent and self._chance.random() < RESENT:
            return self._chance.choice(self._sent)
        kind = self._chance.choices(list(OPTIONAL), [WEIGHTS.get(each, 1) for each in OPTIONAL])[0]
        sound = self._sound(kind, self._chance.choice(self.suffixes))
        fact = self._harmed(sound)
        self._ids.append(fact.identity)
        self._sent.append(fact)
        return fact

    def _sound(self, kind: str, suffix: str) -> Fact:
        operation = OPERATION_OF[kind]
        request = operation.make(dict.fromkeys(operation.named, suffix))
        if request.role != "device":
            request = replace(request, role="hr" if request.role == "hr" else request.role, sites=())
        return Fact(request, kind, str(document_of(request).get(_id_field(kind), "")))

    def _harmed(self, fact: Fact) -> Fact:
        document = document_of(fact.request)
        names = [*document, *OPTIONAL[fact.kind]]
        for name in self._chance.sample(names, k=min(len(names), self._chance.choice((1, 1, 1, 2, 3)))):
            pick = self._chance.random()
            if pick < DROPPED:
                document.pop(name, None)
            elif pick < DROPPED + RETYPED:
                document[name] = another_type(self._chance, self._ids)
            elif name in EDGES:
                document[name] = EDGES[name](self._chance, self._ids)
        identity = document.get(_id_field(fact.kind))
        return Fact(with_document(fact.request, document), fact.kind, str(identity))


def document_of(request: Request) -> dict[str, Any]:
    """Return the JSON that a request carries, as its body or as a part of it."""
    if request.json is not None:
        return dict(request.json)
    return dict(json.loads(request.files["metadata"][1]))


def with_document(request: Request, document: Mapping[str, Any]) -> Request:
    """Return the request with other JSON."""
    if request.json is not None:
        return replace(request, json=document)
    return replace(request, files=request.files | {"metadata": (None, json.dumps(document))})


def _id_field(kind: str) -> str:
    return ID_FIELD.get(kind, "correction_id")


def _of(kind: str) -> Operation:
    return next(each for each in OPERATIONS if each.method == "POST" and each.path.endswith(f"/{kind}"))


OPERATION_OF: Mapping[str, Operation] = {kind: _of(kind) for kind in OPTIONAL}
