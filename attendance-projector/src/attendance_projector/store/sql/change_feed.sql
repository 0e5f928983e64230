-- What the change feed says of a day: a row of the outbox, made by the statement that writes the day.

-- name: day_state
-- The fields of DayState.
json_build_object(
    'site_id', {row}.site_id,
    'status', {row}.status,
    'worked_minutes', {row}.worked_minutes,
    'break_minutes', {row}.break_minutes,
    'overtime_minutes', {row}.overtime_minutes,
    'late', {row}.late,
    'late_minutes', {row}.late_minutes,
    'early', {row}.early,
    'early_minutes', {row}.early_minutes,
    'punch_count', {row}.punch_count,
    'first_in_at', {row}.first_in_at,
    'last_out_at', {row}.last_out_at,
    'missing', upper({row}.missing),
    'open_since', {row}.open_since
)

-- name: tell_days
-- Of a statement that gives org_id, the key of the day, day and previous. A day whose told fields are as before is not
-- told, such as one with another explanation.
WITH {before}changed AS (
    {statement}
)
INSERT INTO outbox (id, topic, key, event_type, payload)
SELECT
    id, '{topic}', org_id || ':' || person_id, 'AttendanceDayChanged',
    json_build_object(
        'event_id', gen_random_uuid(),
        'occurred_at', now(),
        'recorded_at', now(),
        'org_id', org_id,
        'person_id', person_id,
        'attendance_on', attendance_on,
        'shift_id', shift_id,
        'change', CASE WHEN previous IS NULL THEN 'CREATED' WHEN day IS NULL THEN 'REMOVED' ELSE 'UPDATED' END,
        'revision', id,
        'day', day,
        'previous', previous
    )
FROM (
    SELECT nextval('outbox_id_seq') AS id, *
    FROM changed
    WHERE day::text IS DISTINCT FROM previous::text
) AS told;
