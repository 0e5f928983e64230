-- How far time has come, how far sites have reported, and which days without a punch that decides.

-- name: as_of
SELECT as_of FROM clock;

-- name: reported_until
-- Of sites: $1 organisations and $2 ids, side by side.
SELECT org_id, site_id, reported_until
FROM unnest($1::text[], $2::text[]) AS asked (org_id, site_id)
JOIN site_watermark USING (org_id, site_id);

-- name: move_clock
-- Back, too, where somebody has reset it. The transaction has locked everyone.
INSERT INTO clock (as_of) VALUES ($1)
ON CONFLICT (is_the_one) DO UPDATE SET as_of = excluded.as_of;

-- name: fold_points
-- Join the new numbers of each device to ranges, and these with the ranges known before that they overlap or touch.
-- Others are not read: a device that has lost numbers for years has many.
WITH point AS (
    SELECT org_id, device_id, sequence, max(occurred_at) AS newest_at
    FROM device_point
    GROUP BY org_id, device_id, sequence
), in_a_row AS (
    SELECT point.*, sequence - row_number() OVER (PARTITION BY org_id, device_id ORDER BY sequence) AS run
    FROM point
), arrived AS (
    SELECT org_id, device_id, min(sequence) AS first_sequence, max(sequence) AS last_sequence,
        max(newest_at) AS newest_at
    FROM in_a_row
    GROUP BY org_id, device_id, run
), touched AS (
    SELECT DISTINCT known.*
    FROM arrived
    CROSS JOIN LATERAL (
        (
            SELECT report.*
            FROM device_report AS report
            WHERE report.org_id = arrived.org_id AND report.device_id = arrived.device_id
                AND report.first_sequence <= arrived.first_sequence
            ORDER BY report.first_sequence DESC
            LIMIT 1
        )
        UNION ALL
        SELECT report.*
        FROM device_report AS report
        WHERE report.org_id = arrived.org_id
            AND report.device_id = arrived.device_id
            AND report.first_sequence > arrived.first_sequence
            AND report.first_sequence <= arrived.last_sequence + 1
    ) AS known
    WHERE known.last_sequence >= arrived.first_sequence - 1
), part AS (
    SELECT org_id, device_id, first_sequence, last_sequence, newest_at FROM arrived
    UNION ALL
    SELECT org_id, device_id, first_sequence, last_sequence, newest_at FROM touched
), reached AS (
    SELECT part.*, max(last_sequence) OVER (
        PARTITION BY org_id, device_id ORDER BY first_sequence, last_sequence
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS reach
    FROM part
), numbered AS (
    SELECT reached.*, count(*) FILTER (WHERE reach IS NULL OR first_sequence > reach + 1) OVER (
        PARTITION BY org_id, device_id ORDER BY first_sequence, last_sequence ROWS UNBOUNDED PRECEDING
    ) AS range_number
    FROM reached
), folded AS (
    SELECT org_id, device_id, min(first_sequence) AS first_sequence, max(last_sequence) AS last_sequence,
        max(newest_at) AS newest_at
    FROM numbered
    GROUP BY org_id, device_id, range_number
), gone AS (
    DELETE FROM device_report AS report
    USING touched
    WHERE report.org_id = touched.org_id AND report.device_id = touched.device_id
        AND report.first_sequence = touched.first_sequence
        AND NOT EXISTS (
            SELECT FROM folded
            WHERE folded.org_id = report.org_id AND folded.device_id = report.device_id
                AND folded.first_sequence = report.first_sequence
        )
)
INSERT INTO device_report AS report (org_id, device_id, first_sequence, last_sequence, newest_at)
SELECT org_id, device_id, first_sequence, last_sequence, newest_at FROM folded
ON CONFLICT (org_id, device_id, first_sequence) DO UPDATE SET
    last_sequence = excluded.last_sequence, newest_at = excluded.newest_at;

-- name: forget_points
-- Not TRUNCATE: that would wait for readers of the table, such as a dump, and keep every projector waiting.
DELETE FROM device_point;

-- name: move_watermarks
-- A site with a device that has a gap, or has never reported, has no watermark; nor has one without devices.
WITH reported AS (
    SELECT device.org_id, device.site_id, min(report.newest_at) AS reported_until
    FROM device
    LEFT JOIN device_report AS report ON report.org_id = device.org_id AND report.device_id = device.device_id
        AND report.first_sequence = 1
    WHERE NOT device.revoked
    GROUP BY device.org_id, device.site_id
    HAVING bool_and(report.device_id IS NOT NULL)
), gone AS (
    DELETE FROM site_watermark WHERE (org_id, site_id) NOT IN (SELECT org_id, site_id FROM reported)
)
INSERT INTO site_watermark AS watermark (org_id, site_id, reported_until)
SELECT org_id, site_id, reported_until FROM reported
ON CONFLICT (org_id, site_id) DO UPDATE SET reported_until = excluded.reported_until
WHERE watermark.reported_until <> excluded.reported_until;

-- name: undecided_days
-- Days whose absence is another than the one stored; the same cases as in the rule absence_by_watermark.
SELECT day.org_id, day.person_id, day.attendance_on
FROM unsettled_day AS day
LEFT JOIN person ON person.org_id = day.org_id AND person.person_id = day.person_id
LEFT JOIN site_watermark AS watermark
    ON watermark.org_id = person.org_id AND watermark.site_id = person.home_site_id
WHERE day.absence <> CASE
    WHEN $1 <= day.closes_at THEN 'OPEN'
    WHEN $1 >= day.closes_at + interval '24 hours' THEN 'SETTLED'
    WHEN watermark.reported_until > day.closes_at THEN 'REPORTED'
    ELSE 'WAITING'
END
UNION
-- In a locked period the adjustment alone can tell of a day. SETTLED ends the waiting, whatever devices say.
SELECT org_id, person_id, attendance_on
FROM adjustment
WHERE absence <> 'SETTLED' AND $1 >= closes_at + interval '24 hours';

-- name: zones
SELECT DISTINCT time_zone FROM site;

-- name: people_of_zones
SELECT person.org_id, person.person_id, site.time_zone
FROM person
JOIN site ON site.org_id = person.org_id AND site.site_id = person.home_site_id
WHERE site.time_zone = ANY ($1::text[]);
