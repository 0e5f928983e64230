-- Months that are not kept: detached without waiting readers, then dropped. Parents are partitioned by UTC month.

-- name: read
SELECT DISTINCT kept_with, kept_from FROM partitioned_table WHERE kept_with IS NOT NULL;

-- name: read_with_beginning
SELECT DISTINCT kept_with, kept_from, earliest_on
FROM partitioned_table, installation
WHERE kept_with IS NOT NULL;

-- name: beginning
SELECT earliest_on FROM installation;

-- name: begin_at
UPDATE installation SET earliest_on = $1;

-- name: open_from
-- $1: earlier days are final, or null; $2: days from then on are not looked at, or null. First date from $1 on that an
-- organisation which closes periods has not closed: since its first lock ever, the first that no lock keeps, and the first
-- with a day of somebody that none keeps; null when nobody closes periods.
WITH closing AS (
    SELECT
        org_id,
        greatest(min(starts_on), $1::date) AS first_on,
        coalesce(range_agg(daterange(starts_on, ends_on, '[]')) FILTER (WHERE in_force), '{}') AS somewhere,
        coalesce(range_agg(daterange(starts_on, ends_on, '[]')) FILTER (WHERE in_force AND site_id IS NULL), '{}')
            AS everywhere
    FROM period_lock
    WHERE starts_on IS NOT NULL
    GROUP BY org_id
)
SELECT least(
    (SELECT min(lower(datemultirange(daterange(first_on, NULL)) - somewhere)) FROM closing),
    (
        SELECT min(day.attendance_on)
        FROM closing
        JOIN attendance_day AS day ON day.org_id = closing.org_id
            AND day.attendance_on >= closing.first_on
            AND ($2::date IS NULL OR day.attendance_on < $2)
            AND NOT day.attendance_on <@ closing.everywhere
        -- Where sites are locked one by one: somebody moved, or one of them was left out.
        WHERE somewhere <> everywhere
            AND NOT EXISTS (
                SELECT
                FROM period_lock AS lock
                JOIN locked_person AS covered
                    ON covered.org_id = lock.org_id AND covered.lock_id = lock.lock_id
                    AND covered.sealing_id = lock.sealing_id
                WHERE lock.in_force
                    AND lock.org_id = day.org_id
                    AND day.attendance_on BETWEEN lock.starts_on AND lock.ends_on
                    AND covered.person_id = day.person_id
            )
    )
);

-- name: backlog_before
-- $1: earlier days are final, or null. Those that were refused have been looked at, or never will be.
SELECT EXISTS (SELECT FROM stale_span WHERE refused IS NULL AND coalesce(first_on, '-infinity') < $1::date);

-- name: partitions
-- Months that are attached, or stand detached since a command was stopped before it dropped them.
SELECT
    kept_with,
    parent.relname AS parent,
    child.relname AS child,
    to_date(right(child.relname, 7), 'YYYY_MM') AS month,
    child.relispartition AS is_attached,
    coalesce(inhdetachpending, false) AS is_pending,
    greatest(child.reltuples, 0)::bigint AS row_estimate,
    pg_total_relation_size(child.oid) AS bytes
FROM partitioned_table
JOIN pg_class AS parent ON parent.oid = to_regclass(quote_ident(table_name))
JOIN pg_class AS child
    ON child.relnamespace = parent.relnamespace
    AND child.relkind = 'r'
    AND child.relname ~ ('^' || parent.relname || '_[0-9]{4}_[0-9]{2}$')
LEFT JOIN pg_inherits ON inhrelid = child.oid
WHERE kept_with IS NOT NULL
ORDER BY month, parent.relname;

-- name: lock_partitions
-- A transaction that makes partitions has the same lock.
SELECT pg_advisory_xact_lock(hashtext('ensure_partitions'), hashtext(current_schema()));

-- name: keep_from
UPDATE partitioned_table SET kept_from = $2 WHERE kept_with = $1;

-- name: forget_open_days
-- Of months that are not kept. $1: before this date.
DELETE FROM open_day WHERE attendance_on < $1::date;

-- name: decide_days
-- Time decides nothing of final days any more, here and of adjustments. $1: before this date.
DELETE FROM unsettled_day WHERE attendance_on < $1::date;

-- name: decide_adjustments
UPDATE adjustment SET closes_at = NULL, absence = NULL
WHERE attendance_on < $1::date AND (closes_at IS NOT NULL OR absence IS NOT NULL);

-- name: forget_pending
-- Punches with a badge that nobody got in time; they could not count any more.
WITH forgotten AS (
    DELETE FROM pending_fact WHERE occurred_at < $1::date RETURNING person_id
)
SELECT count(*) FILTER (WHERE person_id IS NULL) FROM forgotten;
