-- One page of attendance days between two local dates, in the order of the primary key with the date first.
-- attendance_on is the partition key: only the months from first_on to last_on are read. The caller moves
-- first_on up to the cursor's date, because the comparison of the whole key does not prune.
-- The page is cut before the names are looked up: a date can have many thousands of rows.
-- sites NULL means every site of the organisation; after_* NULL means the first page.
-- rows: attendance_day
FROM (
    SELECT *
    FROM attendance.attendance_day
    WHERE org_id = %(org_id)s::text
      AND attendance_on BETWEEN %(first_on)s::date AND %(last_on)s::date
      AND (%(sites)s::text[] IS NULL OR site_id = ANY (%(sites)s::text[]))
      AND (%(person_id)s::text IS NULL OR person_id = %(person_id)s::text)
      AND (%(status)s::text IS NULL OR status = %(status)s::text)
      -- Says nothing new, but has an index: that nobody was on leave in a year is known at once.
      AND (
          %(status)s::text IS NULL
          OR %(status)s::text NOT IN ('ABSENT', 'LEAVE', 'HOLIDAY', 'WEEKLY_OFF')
          OR status_without_punch = %(status)s::text
      )
      AND (
          %(after_on)s::date IS NULL
          OR (attendance_on, person_id, shift_id)
             > (%(after_on)s::date, %(after_person_id)s::text, %(after_shift_id)s::text)
      )
    ORDER BY attendance_on, person_id, shift_id
    LIMIT %(limit)s::int
) AS day
LEFT JOIN attendance.person AS person ON person.org_id = day.org_id AND person.person_id = day.person_id
LEFT JOIN attendance.site AS site ON site.org_id = day.org_id AND site.site_id = day.site_id
LEFT JOIN attendance.organisation AS organisation ON organisation.org_id = day.org_id
ORDER BY day.attendance_on, day.person_id, day.shift_id
