-- Months that are not kept: detached without waiting readers, then dropped. Parents are partitioned by UTC month.

-- name: read
SELECT table_name, kept_from FROM retention;

-- name: open_from
-- First date that an organisation which closes periods has not closed; null when none does.
SELECT min(closed_until) + 1
FROM (SELECT max(ends_on) AS closed_until FROM period_lock WHERE in_force GROUP BY org_id) AS each;

-- name: partitions
-- Months of a schema ($1) that are attached, or stand detached since a command was stopped before it dropped them.
SELECT
    parent.relname AS parent,
    child.relname AS child,
    to_date(right(child.relname, 7), 'YYYY_MM') AS month,
    child.relispartition AS is_attached,
    coalesce(inhdetachpending, false) AS is_pending,
    greatest(child.reltuples, 0)::bigint AS row_estimate,
    pg_total_relation_size(child.oid) AS bytes
FROM pg_class AS parent
JOIN pg_class AS child
    ON child.relnamespace = parent.relnamespace
    AND child.relkind = 'r'
    AND child.relname ~ ('^' || parent.relname || '_[0-9]{4}_[0-9]{2}$')
LEFT JOIN pg_inherits ON inhrelid = child.oid
WHERE parent.relnamespace = $1::regnamespace
    AND parent.relkind = 'p'
    AND parent.relname IN ('capture', 'punch', 'attendance_day')
ORDER BY month, parent.relname;

-- name: lock_partitions
-- Whoever makes partitions has the same lock.
SELECT pg_advisory_xact_lock(hashtext('ensure_partitions'), hashtext(current_schema()));

-- name: keep_from
INSERT INTO retention (table_name, kept_from) VALUES ($1, $2)
ON CONFLICT (table_name) DO UPDATE SET kept_from = excluded.kept_from;

-- name: forget_pending
-- Punches with a badge that nobody got in time; they could not count any more.
WITH forgotten AS (
    DELETE FROM pending_fact WHERE occurred_at < $1::date RETURNING person_id
)
SELECT count(*) FILTER (WHERE person_id IS NULL) FROM forgotten;
