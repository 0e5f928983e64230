"""Clients that are told to wait do: as long as Retry-After says, and never less."""

import random
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from attendance_demo.scene.retries import Patient, pause_seconds, told_seconds


def answer(status: int = 429, **headers: str) -> httpx.Response:
    return httpx.Response(status, headers={name.replace("_", "-"): value for name, value in headers.items()})


def test_seconds_and_dates_are_read() -> None:
    assert told_seconds(answer(retry_after="7")) == 7.0
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert 50.0 < told_seconds(answer(retry_after=at)) <= 60.0
    assert told_seconds(answer(retry_after=format_datetime(datetime(2020, 1, 1, tzinfo=UTC)))) == 0.0


@pytest.mark.parametrize("said", ["", "soon", "-3", "1.5"])
def test_what_cannot_be_read_tells_nothing(said: str) -> None:
    assert told_seconds(answer(retry_after=said)) == 0.0
    assert told_seconds(answer()) == 0.0


def test_jitter_comes_on_top_of_what_is_told() -> None:
    rng = random.Random(1)
    told = [pause_seconds(answer(503, retry_after="4"), 2.0, rng) for _ in range(200)]
    assert min(told) >= 4.0
    assert max(told) <= 6.0
    assert len(set(told)) > 100
    assert all(0.0 <= pause_seconds(None, 2.0, rng) <= 2.0 for _ in range(200))


async def test_a_patient_client_sends_again_until_it_is_let_in() -> None:
    seen: list[bytes] = []

    async def gateway(request: httpx.Request) -> httpx.Response:
        seen.append(await request.aread())
        return answer(retry_after="0") if len(seen) < 3 else httpx.Response(202)

    async with httpx.AsyncClient(transport=Patient(httpx.MockTransport(gateway))) as client:
        files = {"image": ("capture.jpg", b"bytes", "image/jpeg")}
        response = await client.post("http://gateway/v1/captures", files=files)
    assert response.status_code == 202
    assert len(seen) == 3
    assert seen[0] == seen[1] == seen[2]
    assert b"bytes" in seen[2]
