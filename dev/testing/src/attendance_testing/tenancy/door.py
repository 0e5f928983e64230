"""Whoever asks, at the door of ingest: requests are sent, and answers compared."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import httpx

from attendance_testing.tenancy.cases import Case
from attendance_testing.tenancy.operations import (
    DOCUMENTS,
    OPERATIONS,
    SITE_OF,
    Request,
    identity_of,
    uuid_of,
)

OURS, THEIRS = "alpha", "beta"
WRITING = {"POST", "PUT", "PATCH", "DELETE"}
FACTS = {"/v1/punches": "punch", "/v1/captures": "capture", "/v1/periods/locks": "lock"}
Sign = Callable[[str, str, str, Sequence[str]], str]
_OPS = ("ops", "settler", ())
_ORGANISATION = {"name": "Acme", "time_zone": "UTC"}


@dataclass(slots=True)
class Door:
    """The API of ingest. `sign`: role, subject, organisation and sites to a token."""

    client: httpx.AsyncClient
    url: str
    sign: Sign

    async def uncovered(self) -> set[tuple[str, str]]:
        """Return the writing routes that no operation covers, and the operations that are no route."""
        described = (await self.client.get(f"{self.url}/openapi.json")).json()["paths"]
        routes = {(method.upper(), path) for path, methods in described.items() for method in methods}
        covered = {(each.method, each.path) for each in OPERATIONS}
        return {route for route in routes if route[0] in WRITING} ^ covered

    async def refused(self, tried: Sequence[Case]) -> None:
        """Send what is to be refused; what is others' and what is nobody's must be answered alike."""
        answers: dict[str, set[tuple[int, str]]] = {}
        for case in tried:
            response = await self.send(case.request)
            assert 400 <= response.status_code < 500, (case.what, case.request, response.text)
            if case.alike is not None:
                answer = response.status_code, _without_ids(response.json()["detail"])
                answers.setdefault(case.alike, set()).add(answer)
        assert {name: found for name, found in answers.items() if len(found) > 1} == {}

    async def accepted(self, tried: Sequence[Case]) -> None:
        """Send what is to be accepted."""
        for case in tried:
            response = await self.send(case.request)
            assert response.is_success, (case.what, case.request, response.text)

    async def send(self, request: Request, org_id: str = OURS) -> httpx.Response:
        """Send a request as who it says."""
        token = self.sign(request.role, request.subject, org_id, request.sites)
        headers = {"Authorization": f"Bearer {token}"}
        if request.content is not None:
            headers["Content-Type"] = "text/csv"
        return await self.client.request(
            request.method,
            self.url + request.path,
            headers=headers,
            json=request.json,
            content=request.content,
            files=request.files,
        )

    async def settle(self, org_id: str, suffixes: Sequence[str]) -> None:
        """Let an organisation have one thing of every kind under each suffix."""
        await self._must(
            Request("PUT", f"/v1/directory/organisations/{org_id}", *_OPS, json=_ORGANISATION), org_id
        )
        for site in dict.fromkeys(SITE_OF[each] for each in suffixes):
            document = DOCUMENTS["sites"][2]({})
            await self._must(Request("PUT", f"/v1/directory/sites/{site}", *_OPS, json=document), org_id)
        for suffix in suffixes:
            await self._fill(org_id, suffix)

    async def _fill(self, org_id: str, suffix: str) -> None:
        for kind in ("shifts", "devices", "persons", "rosters", "holidays", "leaves", "policies"):
            role, named, document = DOCUMENTS[kind]
            path = f"/v1/directory/{kind}/{identity_of(kind, suffix)}"
            body = document(dict.fromkeys(named, suffix))
            await self._must(Request("PUT", path, role, "settler", (), json=body), org_id)
        for path, kind in FACTS.items():
            operation = next(each for each in OPERATIONS if (each.method, each.path) == ("POST", path))
            ids = dict.fromkeys(operation.named, suffix) | {"id": uuid_of(kind, suffix)}
            made = operation.make(ids)
            name = f"device-{suffix}" if made.role == "device" else "settler"
            whole = Request("POST", path, made.role, name, (), json=made.json, files=made.files)
            await self._must(whole, org_id)

    async def _must(self, request: Request, org_id: str) -> None:
        response = await self.send(request, org_id)
        if not response.is_success:
            raise AssertionError(f"{request.method} {request.path} of {org_id}: {response.text}")


def _without_ids(text: str) -> str:
    """Leave out how a thing is called, which the sender knows: what is left must not tell whose it is."""
    for kind, suffix in product(("punch", "capture", "lock"), ("b", "x")):
        text = text.replace(uuid_of(kind, suffix), "ID")
    return re.sub(r"\S*(-[bx]|beta|nobody)\b\S*", "ID", text)
