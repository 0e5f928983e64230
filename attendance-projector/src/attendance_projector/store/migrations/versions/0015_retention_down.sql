-- Months that were dropped stay dropped; they can be made again.

DROP TABLE retention;

CREATE OR REPLACE FUNCTION ensure_partitions(parent text, months date[]) RETURNS integer
LANGUAGE plpgsql AS $$
-- Make the missing partitions of a table for the months that contain these dates; return how many were made.
-- Attaching a finished table blocks neither readers nor writers of the parent. Two callers wait for each other.
DECLARE
    month date;
    child text;
    made integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('ensure_partitions'), hashtext(current_schema()));
    FOR month IN
        SELECT DISTINCT date_trunc('month', each::timestamp)::date FROM unnest(months) AS each ORDER BY 1
    LOOP
        child := format('%s_%s', parent, to_char(month, 'YYYY_MM'));
        CONTINUE WHEN to_regclass(format('%I.%I', current_schema(), child)) IS NOT NULL;
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', child, parent);
        EXECUTE format(
            'ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
            parent, child,
            -- Partition bounds are UTC, whatever the zone of the session.
            to_char(month, 'YYYY-MM-DD') || CASE parent WHEN 'attendance_day' THEN '' ELSE ' 00:00:00+00' END,
            to_char(month + interval '1 month', 'YYYY-MM-DD')
                || CASE parent WHEN 'attendance_day' THEN '' ELSE ' 00:00:00+00' END
        );
        made := made + 1;
    END LOOP;
    RETURN made;
END
$$;
