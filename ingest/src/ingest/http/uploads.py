"""Bodies of requests, read with a limit: ingest holds no more than it accepts, even if headers are false."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from email.message import Message
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from service_kit.http.problems import Problem, invalid_request

M = TypeVar("M", bound=BaseModel)

JSON = "application/json"
MULTIPART = "multipart/form-data"
METADATA_BYTES = 64 * 1024
# Boundaries, part headers and the metadata part, beside the files.
ENVELOPE_BYTES = 128 * 1024


async def read_document(request: Request, model: type[M], limit: int) -> M:
    """Return a model of a JSON body of at most `limit` bytes. Raises Problem 400, 413, 415 or 422."""
    if media_type_of(request) != JSON:
        raise _unsupported(f"Send {JSON} in UTF-8")
    return parse_json(model, await read_body(request, limit), "body")


def media_type_of(request: Request) -> str | None:
    """Return what a body is, without parameters; None when it is in another charset than UTF-8."""
    header = Message()
    header["content-type"] = request.headers.get("content-type", "")
    charset = header.get_param("charset", "utf-8")
    if not isinstance(charset, str) or charset.lower() not in ("utf-8", "utf8"):
        return None
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_body(request: Request, limit: int) -> bytes:
    """Return the body. Raises Problem 413 as soon as it is known to exceed `limit` bytes."""
    return b"".join([chunk async for chunk in _limited(request, limit)])


@asynccontextmanager
async def read_form(request: Request, *, limit: int, files: int) -> AsyncIterator[FormData]:
    """Read a multipart form of at most `limit` bytes and `files` files. Raises Problem 400, 413 or 415."""
    content_type = request.headers.get("content-type", "").lower()  # names of parameters, RFC 2045, 5.1
    if media_type_of(request) != MULTIPART or "boundary=" not in content_type:
        raise _unsupported(f"Send {MULTIPART} with a boundary, in UTF-8")
    parser = MultiPartParser(
        request.headers,
        _limited(request, limit),
        max_files=files,
        max_fields=files,
        max_part_size=METADATA_BYTES,
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise Problem(400, "malformed-multipart", "Malformed multipart body", error.message) from error
    try:
        yield form
    finally:
        await form.close()


def only(form: FormData, name: str) -> UploadFile | str:
    """Return the one part of a name. Raises Problem 400 when there is none or more."""
    found = form.getlist(name)
    if len(found) != 1:
        raise Problem(
            400,
            "malformed-multipart",
            "Malformed multipart body",
            f"Send exactly one part {name}, not {len(found)}",
        )
    return found[0]


async def metadata_of(form: FormData, model: type[M]) -> M:
    """Return the `metadata` part, a field or a file of JSON. Raises Problem 400 or 422."""
    part = only(form, "metadata")
    text = part if isinstance(part, str) else await part.read(METADATA_BYTES)
    return parse_json(model, text, "metadata")


async def file_of(part: UploadFile | str, name: str) -> bytes:
    """Return the bytes of a file part. Raises Problem 400 for a part without a file name."""
    if isinstance(part, str):
        raise Problem(
            400,
            "malformed-multipart",
            "Malformed multipart body",
            f"Part {name} must be a file, with a filename",
        )
    return await part.read()


def parse_json(model: type[M], text: str | bytes, where: str) -> M:
    """Return a model of JSON. Raises Problem 400 when it is none in UTF-8, 422 when a field does not fit."""
    try:
        written = text if isinstance(text, str) else text.decode("utf-8-sig")
        content = json.loads(written, object_pairs_hook=_distinct, parse_constant=_refuse_constant)
        return model.model_validate(content)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        raise invalid_request(found, where) from error
    except RecursionError as error:
        raise Problem(400, "malformed-json", "Malformed JSON", f"{where} is nested too deeply") from error
    except ValueError as error:
        raise Problem(400, "malformed-json", "Malformed JSON", f"{where} is no JSON: {error}") from error


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object. Raises ValueError where a name is there twice: readers differ in which one holds."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name is there twice in one object; keep one of them")
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


async def _limited(request: Request, limit: int) -> AsyncGenerator[bytes, None]:
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise _too_large(limit)
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > limit:
            raise _too_large(limit)
        yield chunk


def _unsupported(detail: str) -> Problem:
    return Problem(415, "unsupported-media-type", "Unsupported media type", detail)


def _too_large(limit: int) -> Problem:
    return Problem(
        413,
        "request-too-large",
        "The request is too large",
        f"At most {limit} bytes are accepted in one request; send a smaller one",
    )
