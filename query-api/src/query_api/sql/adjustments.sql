-- One page of adjustments booked between two local dates, in the order of the key with the date first.
-- The page is cut before the names are looked up. sites NULL means every site of the organisation; after_* NULL means
-- the first page.
SELECT
    adjustment.booked_on,
    adjustment.person_id,
    person.display_name,
    adjustment.attendance_on,
    adjustment.shift_id,
    adjustment.site_id,
    site.name AS site_name,
    coalesce(site.time_zone, organisation.time_zone) AS time_zone,
    adjustment.status_from,
    adjustment.status_to,
    adjustment.worked_minutes,
    adjustment.overtime_minutes,
    adjustment.late_minutes,
    adjustment.early_minutes,
    adjustment.break_minutes,
    adjustment.settled_by IS NOT NULL AS settled,
    adjustment.settled_by,
    adjustment.explanation
FROM (
    SELECT *
    FROM attendance.adjustment
    WHERE org_id = %(org_id)s::text
      AND booked_on BETWEEN %(first_on)s::date AND %(last_on)s::date
      AND (%(sites)s::text[] IS NULL OR site_id = ANY (%(sites)s::text[]))
      AND (%(person_id)s::text IS NULL OR person_id = %(person_id)s::text)
      AND (
          %(after_on)s::date IS NULL
          OR (booked_on, person_id, attendance_on, shift_id)
             > (%(after_on)s::date, %(after_person_id)s::text, %(after_attendance_on)s::date, %(after_shift_id)s::text)
      )
    ORDER BY booked_on, person_id, attendance_on, shift_id
    LIMIT %(limit)s::int
) AS adjustment
LEFT JOIN attendance.person AS person
    ON person.org_id = adjustment.org_id AND person.person_id = adjustment.person_id
LEFT JOIN attendance.site AS site ON site.org_id = adjustment.org_id AND site.site_id = adjustment.site_id
LEFT JOIN attendance.organisation AS organisation ON organisation.org_id = adjustment.org_id
ORDER BY adjustment.booked_on, adjustment.person_id, adjustment.attendance_on, adjustment.shift_id
