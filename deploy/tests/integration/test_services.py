"""The services do all their work with their own permissions and no more."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from attendance_demo.scene.cast import packaged_cast
from attendance_demo.scene.kiosk import Kiosk
from attendance_demo.scene.morning import plan_morning
from attendance_demo.scene.plant import Plant
from attendance_testing.access.installation import Installation
from attendance_testing.access.services import serving
from attendance_testing.polling import eventually
from local_stack.keys.tokens import sign_token

pytestmark = pytest.mark.end_to_end


async def test_a_capture_becomes_a_day_with_their_permissions_alone(
    installation: Installation, tmp_path: Path
) -> None:
    stack = installation.stack
    run = installation.prefix[1:-1]
    cast = packaged_cast(stack.cache.folder / "photos", run)
    member = cast.members[0]

    def sign(role: str, subject: str) -> str:
        return sign_token(stack.folder, roles=[role], subject=subject, organisation=f"acme-{run}")

    with serving(installation, tmp_path) as services:
        ingest, query_api = services["ingest"].url, services["query-api"].url
        async with httpx.AsyncClient(timeout=30) as client:
            plant = Plant(run, client, ingest, query_api, sign)
            await plant.record(plan_morning(cast, datetime.now(UTC)), cast.members)
            assert set((await plant.enrol(cast.members)).values()) == {"ENROLLED"}
            device = plant.own("gate-1")
            kiosk = Kiosk(device, sign("device", device), ingest, query_api, client)
            shot = kiosk.take(member.captures[0], datetime.now(UTC) - timedelta(seconds=5), "IN")
            answer = await kiosk.send(shot)
            assert answer.status == 202
            shown = await kiosk.result(shot.capture_id, wait=20)
            assert shown is not None
            assert (shown["outcome"], shown["person_id"]) == ("IDENTIFIED", member.person_id)
            # What each server is asked for beside: sequences in Valkey, the day, presence from Valkey.
            again = await kiosk.send(kiosk.take(member.captures[1], datetime.now(UTC), "IN"))
            assert again.body["acknowledged_sequence"] == 2, again.body

            async def days() -> list[object]:
                found = await client.get(
                    f"{query_api}/v1/people/{member.person_id}/attendance",
                    params={"from": f"{shot.captured_at.date()}", "to": f"{shot.captured_at.date()}"},
                    headers=plant.headers("analyst"),
                )
                return found.raise_for_status().json()["items"]

            async def told_by_the_cache() -> bool:
                present = await client.get(f"{query_api}/v1/presence", headers=plant.headers("analyst"))
                present.raise_for_status()
                metrics = (await client.get(f"{query_api}/metrics")).text
                return 'query_api_presence_answers_total{source="cache"}' in metrics

            assert await eventually(days)
            assert await eventually(told_by_the_cache)
        await asyncio.to_thread(_assert_nothing_refused, tmp_path)


def _assert_nothing_refused(logs: Path) -> None:
    words = ("Authorization", "AccessDenied", "NOPERM", "InsufficientPrivilege", "permission denied")
    refused = [
        f"{log.stem}: {line}"
        for log in sorted(logs.glob("*.log"))
        for line in log.read_text(errors="replace").splitlines()
        if any(word in line for word in words)
    ]
    assert refused == []
