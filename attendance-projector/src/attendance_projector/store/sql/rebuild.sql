-- A rebuild: its own state, the schemas, and the switch. Schemas come as {live}, {next} and {previous}.

-- name: only_one
-- Held by the connection of the one rebuild of this database, and gone with it.
SELECT pg_try_advisory_lock(hashtext('attendance-projector rebuild'), 0);

-- name: create_state
CREATE TABLE {next}.rebuild_state (name text PRIMARY KEY, value jsonb NOT NULL);
COMMENT ON TABLE {next}.rebuild_state IS 'How far a rebuild has come; gone after the switch.';
CREATE TABLE {next}.rebuild_bucket (number integer PRIMARY KEY);
COMMENT ON TABLE {next}.rebuild_bucket IS 'People whose days are computed, by ranges of hashtext of organisation and id.';
CREATE TABLE {next}.rebuild_punch (LIKE {next}.punch);
ALTER TABLE {next}.rebuild_punch ADD PRIMARY KEY (org_id, punch_id);
COMMENT ON TABLE {next}.rebuild_punch IS 'Accepted punches that wait until every fact is loaded.';

-- name: read_state
SELECT value FROM {next}.rebuild_state WHERE name = $1;

-- name: write_state
INSERT INTO {next}.rebuild_state (name, value) VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE SET value = excluded.value;

-- name: drop_state
DROP TABLE {next}.rebuild_state, {next}.rebuild_bucket, {next}.rebuild_punch;
DROP INDEX IF EXISTS {next}.rebuild_person, {next}.rebuild_locked_person, {next}.rebuild_adjustment;

-- name: months_before
-- Of facts; $1: before this date.
SELECT coalesce(array_agg(DISTINCT date_trunc('month', occurred_at AT TIME ZONE 'UTC')::date), '{{}}')
FROM (
    SELECT occurred_at FROM {live}.capture WHERE occurred_at < $1::date
    UNION ALL
    SELECT occurred_at FROM {live}.punch WHERE occurred_at < $1::date
) AS fact;

-- name: retention
SELECT DISTINCT kept_with, kept_from FROM {schema}.partitioned_table WHERE kept_with IS NOT NULL;

-- name: keep_retention
UPDATE {next}.partitioned_table AS next SET kept_from = live.kept_from
FROM {live}.partitioned_table AS live WHERE live.table_name = next.table_name;
UPDATE {next}.installation SET earliest_on = live.earliest_on FROM {live}.installation AS live;

-- name: months_of_final_days
SELECT coalesce(array_agg(DISTINCT date_trunc('month', attendance_on)::date), '{{}}')
FROM {live}.attendance_day WHERE attendance_on < $1::date;

-- name: keep_final_punches
-- Their places stand, so they are not computed again. $1: before this date.
WITH final AS (
    DELETE FROM {next}.rebuild_punch
    WHERE coalesce(placed_on, (occurred_at AT TIME ZONE 'UTC')::date) < $1::date
    RETURNING {columns}
)
INSERT INTO {next}.punch ({columns}) SELECT {columns} FROM final;

-- name: keep_final
-- Of a table of days, and of adjustments: what they come to. Where these are booked goes by the locks of the log.
INSERT INTO {next}.{table} ({columns})
SELECT {columns} FROM {live}.{table} WHERE attendance_on < $1::date;

-- name: positions
SELECT topic, partition, next_offset FROM {schema}.consumed_position;

-- name: backlog
-- Without what was set aside, which nobody computes, and without the locks that it holds up.
SELECT
    (SELECT count(*) FROM {schema}.stale_span WHERE refused IS NULL)
    + (
        SELECT count(*) FROM {schema}.untold_lock AS lock
        WHERE NOT EXISTS (
            SELECT FROM {schema}.stale_span AS span
            WHERE span.org_id = lock.org_id
                AND coalesce(span.first_on, '-infinity') <= lock.ends_on
                AND span.refused IS NOT NULL
        )
    );

-- name: set_aside
SELECT org_id, count(*) FROM {schema}.stale_span WHERE refused IS NOT NULL GROUP BY org_id ORDER BY org_id;

-- name: carry_locks
-- Rebuilt days are never stale, so that locks which waited for stale ones can be told at once.
INSERT INTO {target}.untold_lock SELECT * FROM {live}.untold_lock ON CONFLICT DO NOTHING;

-- name: carry_awaited
-- Both stand at the same positions, so what waits is the same.
INSERT INTO {target}.awaited_fact SELECT * FROM {live}.awaited_fact ON CONFLICT DO NOTHING;

-- name: secondary_indexes
-- Of partitioned tables: they are built faster at once than row by row. $1: the schema.
SELECT index.relname AS name, replace(pg_get_indexdef(index.oid), ' ON ONLY ', ' ON ') AS definition
FROM pg_index
JOIN pg_class AS index ON index.oid = pg_index.indexrelid
WHERE index.relnamespace = $1::regnamespace
    AND index.relkind = 'I'
    AND NOT index.relispartition
    AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = index.oid)
ORDER BY index.relname;

-- name: tables
-- $1: the schema. partition_key: by which the table is partitioned; columns: without those that no fact decides, such as
-- when a row was written, or that the server makes of others.
SELECT
    class.relname AS name,
    class.relkind = 'p' AS is_partitioned,
    (
        SELECT attname FROM pg_partitioned_table AS part
        JOIN pg_attribute ON attrelid = part.partrelid AND attnum = part.partattrs[0]
        WHERE part.partrelid = class.oid
    ) AS partition_key,
    ARRAY (
        SELECT attname::text FROM pg_attribute
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE attrelid = class.oid AND attnum > 0 AND NOT attisdropped AND attidentity = '' AND attgenerated = ''
            AND coalesce(pg_get_expr(adbin, adrelid), '') !~ '(clock_timestamp|now|nextval|CURRENT_TIMESTAMP)'
        ORDER BY attname
    ) AS columns,
    ARRAY (
        SELECT attname::text FROM pg_index
        JOIN pg_attribute ON attrelid = class.oid AND attnum = ANY (indkey)
        WHERE indrelid = class.oid AND indisprimary
        ORDER BY array_position(indkey::int2[], attnum)
    ) AS identity
FROM pg_class AS class
WHERE class.relnamespace = $1::regnamespace AND class.relkind IN ('r', 'p') AND NOT class.relispartition
ORDER BY class.relname;

-- name: tables_to_drop
-- $1: the schema, which may be gone. Months before the tables that they are parts of.
SELECT format('%I.%I', nspname, relname)
FROM pg_class
JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE nspname = $1 AND relkind IN ('r', 'p')
ORDER BY relkind = 'p', relname;

-- name: stop_live
-- Waits for the transactions of live projectors; they wait for the end of this one.
SELECT pg_advisory_xact_lock(hashtext('attendance-projector switch'), 0);

-- name: carry_rows
-- target: the schema that becomes the live one; both tables are held.
WITH carried AS (DELETE FROM {live}.{table} RETURNING *)
INSERT INTO {target}.{table} SELECT * FROM carried;

-- name: carry_numbers
-- So that no number is given twice, and later rows have greater ones.
SELECT setval('{target}.{table}_id_seq', greatest(live.last_value, target.last_value))
FROM {live}.{table}_id_seq AS live, {target}.{table}_id_seq AS target;

-- name: claim_bucket
-- A bucket is claimed in the transaction that computes it: the second one waits, and then has nothing to do.
INSERT INTO rebuild_bucket (number) VALUES ($1) ON CONFLICT DO NOTHING RETURNING number;

-- name: index_waiting
CREATE INDEX IF NOT EXISTS rebuild_punch_person ON rebuild_punch (hashtext(org_id || ':' || person_id));
-- Each bucket asks these for its people.
CREATE INDEX IF NOT EXISTS rebuild_person ON person (hashtext(org_id || ':' || person_id));
CREATE INDEX IF NOT EXISTS rebuild_locked_person ON locked_person (hashtext(org_id || ':' || person_id));
CREATE INDEX IF NOT EXISTS rebuild_adjustment ON adjustment (hashtext(org_id || ':' || person_id));
ANALYZE rebuild_punch, person, period_lock, locked_person, locked_day, locked_adjustment, adjustment;

-- name: people_of_bucket
-- $1 and $2: the range of the hash. Also who is in the directory no more, and what was locked, or is owed for a final
-- day, is all that is left of them.
SELECT org_id, person_id FROM person WHERE hashtext(org_id || ':' || person_id) BETWEEN $1 AND $2
UNION
SELECT org_id, person_id FROM rebuild_punch WHERE hashtext(org_id || ':' || person_id) BETWEEN $1 AND $2
UNION
SELECT org_id, person_id FROM locked_person WHERE hashtext(org_id || ':' || person_id) BETWEEN $1 AND $2
UNION
SELECT org_id, person_id FROM adjustment WHERE hashtext(org_id || ':' || person_id) BETWEEN $1 AND $2;

-- name: remove_kept_punches
-- Here and below: $1 organisations and $2 ids of theirs, side by side.
DELETE FROM rebuild_punch
USING unnest($1::text[], $2::uuid[]) AS gone (org_id, punch_id)
WHERE rebuild_punch.org_id = gone.org_id AND rebuild_punch.punch_id = gone.punch_id;

-- name: kept_punches
SELECT org_id, punch_id, occurred_at, person_id, method, direction
FROM unnest($1::text[], $2::uuid[]) AS asked (org_id, punch_id)
JOIN rebuild_punch USING (org_id, punch_id)
UNION ALL
SELECT fact.org_id, fact_id, occurred_at, person_id, method, direction
FROM unnest($1::text[], $2::uuid[]) AS asked (org_id, punch_id)
JOIN pending_fact AS fact ON fact.org_id = asked.org_id AND fact.fact_id = asked.punch_id
WHERE person_id IS NULL;

-- name: extents_without_punches
-- Of overrides, and of what was locked, whose punches may all have been taken back.
SELECT asked.org_id, asked.person_id, extent.first_on, extent.last_on
FROM unnest($1::text[], $2::text[]) AS asked (org_id, person_id)
CROSS JOIN LATERAL (
    SELECT min(attendance_on) AS first_on, max(attendance_on) AS last_on
    FROM (
        SELECT attendance_on
        FROM correction
        WHERE correction.org_id = asked.org_id AND correction.person_id = asked.person_id
        UNION ALL
        SELECT day.attendance_on
        FROM period_lock AS lock
        JOIN locked_day AS day
            ON day.org_id = lock.org_id AND day.lock_id = lock.lock_id AND day.sealing_id = lock.sealing_id
        WHERE lock.in_force AND lock.org_id = asked.org_id AND day.person_id = asked.person_id
        UNION ALL
        SELECT attendance_on
        FROM locked_adjustment AS paid
        WHERE paid.org_id = asked.org_id AND paid.person_id = asked.person_id
    ) AS extent
) AS extent
WHERE extent.first_on IS NOT NULL;

-- name: punches_of_bucket
SELECT {columns} FROM rebuild_punch WHERE hashtext(org_id || ':' || person_id) BETWEEN $1 AND $2;
