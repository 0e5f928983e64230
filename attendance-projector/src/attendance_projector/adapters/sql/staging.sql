-- Temporary tables of a connection: rows are copied in, then merged as sets. Empty after every transaction.

-- name: create_staging
CREATE TEMPORARY TABLE IF NOT EXISTS staged_capture (LIKE capture INCLUDING DEFAULTS) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS staged_day (LIKE attendance_day) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS staged_span (
    person_id text NOT NULL, first_on date NOT NULL, last_on date NOT NULL
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS staged_placement (
    punch_id uuid NOT NULL, occurred_at timestamptz NOT NULL,
    placement text NOT NULL, placed_on date, placed_shift_id text
) ON COMMIT DELETE ROWS;
