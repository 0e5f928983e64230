-- What is shown of an attendance day; FROM has day, person, site and organisation.
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
          AND day.attendance_on BETWEEN lock.starts_on AND lock.ends_on
          AND (
              lock.site_id IS NULL
              OR EXISTS (
                  SELECT
                  FROM attendance.locked_person AS covered
                  WHERE covered.org_id = lock.org_id
                    AND covered.lock_id = lock.lock_id
                    AND covered.sealing_id = lock.sealing_id
                    AND covered.person_id = day.person_id
              )
          )
    ) AS locked
