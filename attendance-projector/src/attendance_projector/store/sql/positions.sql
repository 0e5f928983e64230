-- Positions and locks: what makes applying a record twice, or by two projectors, change nothing.

-- name: read
-- Next offsets of these partitions; $1 topics, $2 partitions, side by side.
SELECT topic, partition, next_offset
FROM consumed_position
JOIN unnest($1::text[], $2::int[]) AS asked (topic, partition) USING (topic, partition);

-- name: read_all
SELECT topic, partition, next_offset FROM consumed_position ORDER BY topic, partition;

-- name: read_topics
SELECT topic, cluster_id, topic_id FROM consumed_topic;

-- name: set
UPDATE consumed_position SET next_offset = $3 WHERE topic = $1 AND partition = $2;

-- name: forget
DELETE FROM consumed_position WHERE topic = $1 AND partition = $2;

-- name: forget_topics
DELETE FROM consumed_topic WHERE topic = ANY ($1::text[]);

-- name: add_missing
INSERT INTO consumed_position (topic, partition, next_offset)
SELECT topic, partition, 0
FROM unnest($1::text[], $2::int[]) AS asked (topic, partition)
ORDER BY topic, partition
ON CONFLICT DO NOTHING;

-- name: lock
-- In one order for all, so that two projectors wait for each other and never deadlock here.
SELECT position.topic, position.partition, position.next_offset
FROM consumed_position AS position
JOIN unnest($1::text[], $2::int[]) AS asked (topic, partition) USING (topic, partition)
ORDER BY position.topic, position.partition
FOR UPDATE OF position;

-- name: move
UPDATE consumed_position AS position
SET next_offset = moved.next_offset
FROM unnest($1::text[], $2::int[], $3::bigint[]) AS moved (topic, partition, next_offset)
WHERE position.topic = moved.topic
    AND position.partition = moved.partition
    AND position.next_offset < moved.next_offset;

-- name: other_topics
-- $1 topics, $2 their clusters and $3 their ids, side by side. Returned are those that were others when they were consumed.
SELECT topic, known.cluster_id AS consumed_cluster_id, known.topic_id AS consumed_id, asked.cluster_id, asked.topic_id
FROM unnest($1::text[], $2::text[], $3::uuid[]) AS asked (topic, cluster_id, topic_id)
JOIN consumed_topic AS known USING (topic)
WHERE (known.cluster_id, known.topic_id) <> (asked.cluster_id, asked.topic_id)
ORDER BY topic;

-- name: remember_topics
INSERT INTO consumed_topic (topic, cluster_id, topic_id)
SELECT topic, cluster_id, topic_id
FROM unnest($1::text[], $2::text[], $3::uuid[]) AS asked (topic, cluster_id, topic_id)
ORDER BY topic
ON CONFLICT DO NOTHING;

-- name: lock_everyone
-- A transaction in which time passes waits for all who compute days, and they for it. Schemas have locks of their own;
-- number 0 is everyone, the others are organisations.
SELECT pg_advisory_xact_lock(hashtext('attendance-projector days ' || current_schema()), 0);

-- name: directory_changes
-- Only after lock_everyone, or with the organisations concerned locked alone: see remembered_directory.py.
SELECT nextval('directory_version');

-- name: join_everyone
-- $1: 0 for everyone, then numbers of organisations, ascending; $2: whether each is locked alone. A transaction that changes
-- the directory of an organisation, or locks a period of it, waits for all who compute its days, and they for it.
SELECT count(
    CASE
        WHEN is_alone THEN
            pg_advisory_xact_lock(hashtext('attendance-projector days ' || current_schema()), number)::text
        ELSE
            pg_advisory_xact_lock_shared(hashtext('attendance-projector days ' || current_schema()), number)::text
    END
)
FROM unnest($1::int[], $2::bool[]) AS asked (number, is_alone);

-- name: lock_captures
-- $1: numbers of captures, each with its organisation, ascending; $2: whether each is of a review. Decisions and reviews of a capture come from
-- two topics, each from one partition, so that only a review and a decision can be in each other's way.
SELECT count(
    CASE
        WHEN is_of_review THEN
            pg_advisory_xact_lock(hashtext('attendance-projector capture ' || current_schema()), number)::text
        ELSE
            pg_advisory_xact_lock_shared(hashtext('attendance-projector capture ' || current_schema()), number)::text
    END
)
FROM unnest($1::int[], $2::bool[]) AS asked (number, is_of_review);

-- name: lock_people
-- $1: numbers of people, each with the organisation, ascending. Two projectors can hold punches of one person, since records are
-- keyed by capture; the second must see what the first wrote before it computes that person's days.
-- Only after join_everyone, so that what the version says of their organisations cannot change any more.
SELECT
    (SELECT last_value FROM directory_version) AS directory_version,
    count(pg_advisory_xact_lock(hashtext('attendance-projector person ' || current_schema()), number))
FROM unnest($1::int[]) AS number;

-- name: ensure_partitions
-- $1: UTC dates of facts, $2: local dates of days.
SELECT ensure_partitions(table_name, CASE key_type WHEN 'date' THEN $2::date[] ELSE $1::date[] END)
FROM partitioned_table
ORDER BY table_name;

-- name: share_switch
-- Every transaction on the live tables begins here; who puts other tables in their place waits for all of them.
SELECT pg_advisory_xact_lock_shared(hashtext('attendance-projector switch'), 0);

-- name: schema_identity
-- Names can pass to other tables, this number cannot. And the revision that the tables are at.
SELECT oid::bigint, (SELECT version_num FROM alembic_version) FROM pg_namespace WHERE nspname = current_schema();
