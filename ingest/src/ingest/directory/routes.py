"""PUT /v1/directory/KIND/ID and POST /v1/directory/KIND/import, for every kind of record."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from msgspec import to_builtins

from attendance_schemas.events import Event
from ingest.directory.record_directory import DirectoryDesk, import_documents, record_document, take_back
from ingest.domain.directory_documents import KINDS, Kind
from ingest.domain.fields import Identifier
from ingest.http.authentication import Doorkeeper
from ingest.http.descriptions import IMPORT, PROBLEMS, json_body
from ingest.http.measuring import measured
from ingest.http.models import ImportAnswer
from ingest.http.uploads import (
    ENVELOPE_BYTES,
    MULTIPART,
    file_of,
    media_type_of,
    only,
    read_body,
    read_document,
    read_form,
)
from ingest.metrics import IngestMetrics
from service_kit.fields import LocalDate
from service_kit.http.bearer import Credentials
from service_kit.http.problems import Problem

DOCUMENT_BYTES = 64 * 1024
RECORD_NOTE = "Answers what is recorded. The same document again changes nothing."
IMPORT_NOTE = (
    "An empty cell means the default; a column that the file does not have changes nothing. "
    "Lists are separated by spaces. The file may be sent again."
)
Identity = Annotated[Identifier, Path(description="letters, digits, dot, dash, underscore; at most 64")]


def directory_routes(
    door: Doorkeeper, desk: DirectoryDesk, metrics: IngestMetrics, *, import_limit: int
) -> APIRouter:
    """Return two routes for every kind; `import_limit` is the size of a file in bytes."""
    router = APIRouter(prefix="/v1/directory", tags=["directory"])
    for kind in KINDS.values():
        _add_put(router, kind, door, desk, metrics)
        _add_import(router, kind, door, desk, metrics, import_limit)
        if kind.can_be_taken_back:
            _add_delete(router, kind, door, desk, metrics)
    return router


def _add_put(
    router: APIRouter, kind: Kind, door: Doorkeeper, desk: DirectoryDesk, metrics: IngestMetrics
) -> None:
    async def put(request: Request, identity: Identity, credentials: Credentials) -> dict[str, Any]:
        with measured(metrics, "record") as result:
            actor = await door.person(credentials)
            document = await read_document(request, kind.document, DOCUMENT_BYTES)
            event = await record_document(kind, identity, document, actor, desk)
            result.outcome = "accepted"
        return _as_json(event)

    router.add_api_route(
        f"/{kind.path}/{{identity}}",
        put,
        methods=["PUT"],
        responses=PROBLEMS,
        openapi_extra=json_body(kind.document),
        name=f"put_{kind.path}",
        summary=f"Record one {kind.noun}",
        description=f"Record one, or change it. {_roles(kind)} {RECORD_NOTE}",
    )


def _add_import(
    router: APIRouter,
    kind: Kind,
    door: Doorkeeper,
    desk: DirectoryDesk,
    metrics: IngestMetrics,
    limit: int,
) -> None:
    columns = ", ".join([kind.id_field, *kind.document.model_fields])

    async def post_import(request: Request, credentials: Credentials) -> ImportAnswer:
        with measured(metrics, "import") as result:
            actor = await door.person(credentials)
            counts = await import_documents(kind, await _csv_of(request, limit), actor, desk)
            result.outcome = "accepted"
        return ImportAnswer(kind=kind.path, recorded=counts.recorded, unchanged=counts.unchanged)

    router.add_api_route(
        f"/{kind.path}/import",
        post_import,
        methods=["POST"],
        response_model=ImportAnswer,
        responses=PROBLEMS,
        openapi_extra=IMPORT,
        name=f"import_{kind.path}",
        summary=f"Import {kind.path} from a file",
        description=f"Record a CSV file, all lines or none. {_roles(kind)} Columns: {columns}. {IMPORT_NOTE}",
    )


def _add_delete(
    router: APIRouter, kind: Kind, door: Doorkeeper, desk: DirectoryDesk, metrics: IngestMetrics
) -> None:
    async def delete(identity: Identity, credentials: Credentials) -> None:
        with measured(metrics, "take-back") as result:
            await take_back(kind, identity, None, await door.person(credentials), desk)
            result.outcome = "accepted"

    async def delete_version(identity: Identity, effective_on: LocalDate, credentials: Credentials) -> None:
        with measured(metrics, "take-back") as result:
            await take_back(kind, identity, effective_on, await door.person(credentials), desk)
            result.outcome = "accepted"

    router.add_api_route(
        f"/{kind.path}/{{identity}}",
        delete_version if kind.has_versions else delete,
        methods=["DELETE"],
        status_code=204,
        response_model=None,
        responses=PROBLEMS,
        name=f"delete_{kind.path}",
        summary=f"Take one {kind.noun} back",
        description=f"{_roles(kind)} The days that it made are computed again without it.",
    )


def _roles(kind: Kind) -> str:
    return f"Roles: {', '.join(sorted(kind.roles))}."


async def _csv_of(request: Request, limit: int) -> bytes:
    media_type = media_type_of(request)
    if media_type == "text/csv":
        return await read_body(request, limit)
    if media_type == MULTIPART:
        async with read_form(request, limit=limit + ENVELOPE_BYTES, files=1) as form:
            return await file_of(only(form, "file"), "file")
    raise Problem(
        415,
        "unsupported-media-type",
        "Unsupported media type",
        f"Send text/csv in UTF-8, or {MULTIPART} with a part file",
    )


def _as_json(event: Event) -> dict[str, Any]:
    fields: dict[str, Any] = to_builtins(event)
    return fields
