"""Routes of punches, corrections and erasures: what became of one."""

from uuid import UUID

from fastapi import APIRouter

from query_api.domain.facts import Correction, Erasure, Punch
from query_api.facts.read_facts import read_correction, read_erasure, read_punch
from query_api.http.access import CaptureScope, ReaderScope
from query_api.http.examples import CORRECTION, ERASURE, PUNCH
from query_api.http.problems import PROBLEMS, example
from query_api.http.services import ServicesOf
from service_kit.http.problems import described

router = APIRouter(prefix="/v1", tags=["facts"], responses=PROBLEMS)


@router.get(
    "/punches/{punch_id}",
    summary="What became of a punch",
    responses=example(PUNCH)
    | described(
        404,
        "`punch-refused`: it counts nothing, and `punch-dead-letter`: it cannot be read; the detail says "
        "why. `unknown-punch`: none of this id was accepted. `unknown-organisation`.",
    ),
)
async def get_punch(punch_id: UUID, scope: CaptureScope, services: ServicesOf) -> Punch:
    """Say where a punch without a face counts. A device sees its own, and not whose it is."""
    return await read_punch(punch_id, scope=scope, now=services.now(), read_model=services.read_model)


@router.get(
    "/corrections/{correction_id}",
    summary="What became of a correction, review, lock or reopening",
    responses=example(CORRECTION)
    | described(
        404,
        "`correction-refused`: it counts nothing, and `correction-dead-letter`: it cannot be read; the "
        "detail says why. `unknown-correction`: none of this id was accepted. `unknown-organisation`.",
    ),
)
async def get_correction(correction_id: UUID, scope: ReaderScope, services: ServicesOf) -> Correction:
    """Show a correction, review, lock or reopening that counts."""
    return await read_correction(
        correction_id, scope=scope, now=services.now(), read_model=services.read_model
    )


@router.get(
    "/erasures/{erasure_id}",
    summary="What became of an erasure",
    responses=example(ERASURE)
    | described(404, "`unknown-erasure`: none of this id was accepted; `unknown-organisation`."),
)
async def get_erasure(erasure_id: UUID, scope: ReaderScope, services: ServicesOf) -> Erasure:
    """Say whether a person's biometrics are erased, and since when."""
    return await read_erasure(erasure_id, scope=scope, now=services.now(), read_model=services.read_model)
