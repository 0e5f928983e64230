"""Months of rows from before the history of the projector's benchmark, made by the server.

10,000 people with 3.1 punches a day each, and their days: about 2.2 million rows of `capture`, `punch` and
`attendance_day` a month, and the explanations of the days. Each month is filled before it becomes a partition
and gets its indexes: 20 million rows in minutes. These months are UNLOGGED, since nothing writes to them any
more; the months that the projector writes to are as always.
"""

import asyncio
from collections.abc import Sequence
from datetime import date, timedelta

import asyncpg

SECONDS_BETWEEN_CAPTURES = 2.8
FIRST_MONTH_OF_HISTORY = date(2025, 1, 1)
COUNTED = ("capture", "punch", "attendance_day")
# Of a punch in a month: $1 its first instant, $2 and $3 the numbers of punches, $4 people. Ids are UUIDv7.
NAMED = """
WITH fact AS (
    SELECT number, $1::timestamptz + number * interval '2.8 seconds' AS at,
        'p-' || lpad((number * 7919 % $4)::text, 5, '0') AS person_id
    FROM generate_series($2::bigint, $3::bigint) AS number
), named AS (
    SELECT *, (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7'
        || lpad(to_hex(number), 19, '0'))::uuid AS id
    FROM fact
)
"""
FILL = {
    "capture": """
    INSERT INTO {child} (capture_id, occurred_at, org_id, device_id, site_id, device_sequence, direction,
        time_trust, outcome, person_id, score, threshold, margin, model_name, model_version, decision_round,
        image_bucket, image_key, image_sha256, received_at, decided_at)
    SELECT id, at, 'plant', 'kiosk-' || number % 10 || '-0', 'site-1', number, 'IN', 'SYNCED', 'IDENTIFIED',
        person_id, 0.7, 0.5, 0.05, 'sface', '2021dec', 0, 'attendance-images', 'plant/' || number,
        repeat('0', 64), at, at
    FROM named""",
    "punch": """
    INSERT INTO {child} (punch_id, occurred_at, org_id, person_id, site_id, device_id, direction, method,
        capture_id, placement, placed_on, placed_shift_id)
    SELECT id, at, 'plant', person_id, 'site-1', 'kiosk-0-0', 'IN', 'face', id, 'DAY', at::date, 'day'
    FROM named""",
    "attendance_day": """
    INSERT INTO {child} (person_id, attendance_on, shift_id, org_id, site_id, status, worked_minutes,
        first_in_at, last_out_at, late, late_minutes, early, early_minutes, punch_count, shift_effective_on)
    SELECT DISTINCT ON (person_id, at::date) person_id, at::date, 'day', 'plant', 'site-1', 'PRESENT', 480,
        at, at + interval '9 hours', false, 0, false, 0, 3, '2024-01-01'::date
    FROM named
    ON CONFLICT DO NOTHING""",
    "day_explanation": """
    INSERT INTO {child} (person_id, attendance_on, shift_id, org_id, explanation)
    SELECT DISTINCT ON (person_id, at::date) person_id, at::date, 'day', 'plant', (
        SELECT jsonb_agg(jsonb_build_object(
            'rule', 'window ' || step, 'punch', id, 'text', repeat('in the window of day ', 4)))
        FROM generate_series(1, 6) AS step
    )
    FROM named
    ON CONFLICT DO NOTHING""",
}


async def fill(url: str, rows: int, people: int) -> int:
    """Bring the tables to about so many rows together with months of before the history; return how many."""
    connection = await _connect(url)
    try:
        month, present = FIRST_MONTH_OF_HISTORY, await _count(connection)
        while present < rows:
            month = (month - timedelta(days=1)).replace(day=1)
            if await connection.fetchval(f"SELECT to_regclass('capture_{month:%Y_%m}')") is not None:
                continue
            punches = int(_days(month) * 86_400 / SECONDS_BETWEEN_CAPTURES)
            days = people * _days(month)
            share = min(1.0, (rows - present) / (2 * punches + days))
            async with asyncio.TaskGroup() as group:
                for tables in (("capture",), ("punch", "attendance_day", "day_explanation")):
                    group.create_task(_fill_month(url, tables, month, int(punches * share), people))
            present = await _count(connection)
        for table in FILL:
            await connection.execute(f"ANALYZE {table}")
        return present
    finally:
        await connection.close()


async def _fill_month(url: str, tables: Sequence[str], month: date, punches: int, people: int) -> None:
    connection = await _connect(url)
    try:
        following = month + timedelta(days=_days(month))
        for table in tables:
            child = f"{table}_{month:%Y_%m}"
            # The projector has made the month of days before its history.
            is_made = await connection.fetchval(f"SELECT to_regclass('{child}')") is not None
            if not is_made:
                await connection.execute(
                    f"CREATE UNLOGGED TABLE {child} (LIKE {table} INCLUDING ALL EXCLUDING INDEXES)"
                )
            at_midnight = f"{month} 00:00+00"
            await connection.execute(
                f"{NAMED.replace('$1', repr(at_midnight))} {FILL[table].format(child=child)}".replace(
                    "$2", "0"
                )
                .replace("$3", str(punches - 1))
                .replace("$4", str(people))
            )
            utc = " 00:00+00" if table in {"capture", "punch"} else ""
            if not is_made:
                await connection.execute(
                    f"ALTER TABLE {table} ATTACH PARTITION {child}"
                    f" FOR VALUES FROM ('{month}{utc}') TO ('{following}{utc}')"
                )
            await connection.execute(f"VACUUM ANALYZE {child}")
    finally:
        await connection.close()


async def _connect(url: str) -> asyncpg.Connection:
    return await asyncpg.connect(
        url,
        server_settings={"search_path": "attendance", "timezone": "UTC", "maintenance_work_mem": "256MB"},
    )


async def _count(connection: asyncpg.Connection) -> int:
    counts = [await connection.fetchval(f"SELECT count(*) FROM {table}") for table in COUNTED]  # noqa: S608
    return sum(counts)


def _days(month: date) -> int:
    return ((month + timedelta(days=32)).replace(day=1) - month).days
