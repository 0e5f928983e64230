-- What is shown of an attendance day; FROM has day, person, site and organisation.
-- It is locked by a lock of the organisation, or by one whose people it is among: looked up by person, since thousands of
-- sites may have locks of the same month.
SELECT
    day.attendance_on,
    day.person_id,
    person.display_name,
    day.shift_id,
    day.site_id,
    site.name AS site_name,
    coalesce(site.time_zone, organisation.time_zone) AS time_zone,
    day.status,
    day.worked_minutes,
    day.first_in_at,
    day.last_out_at,
    day.late,
    day.late_minutes,
    day.early,
    day.early_minutes,
    day.break_minutes,
    day.overtime_minutes,
    day.missing,
    day.open_since,
    day.punch_count,
    EXISTS (
        SELECT
        FROM attendance.period_lock AS lock
        WHERE lock.org_id = day.org_id
          AND lock.in_force
          AND lock.site_id IS NULL
          AND day.attendance_on BETWEEN lock.starts_on AND lock.ends_on
    ) OR EXISTS (
        SELECT
        FROM attendance.locked_person AS covered
        JOIN attendance.period_lock AS lock
          ON lock.org_id = covered.org_id
          AND lock.lock_id = covered.lock_id
          AND lock.sealing_id = covered.sealing_id
        WHERE covered.org_id = day.org_id
          AND covered.person_id = day.person_id
          AND lock.in_force
          AND day.attendance_on BETWEEN lock.starts_on AND lock.ends_on
    ) AS locked
