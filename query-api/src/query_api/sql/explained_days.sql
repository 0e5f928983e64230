-- Every attendance day of one person between two local dates, with the explanation; at most a year, so no pages.
-- rows: attendance_day
    , why.explanation, day.shift_effective_on
FROM attendance.attendance_day AS day
JOIN attendance.day_explanation AS why
    ON why.org_id = day.org_id AND why.person_id = day.person_id
    AND why.attendance_on = day.attendance_on AND why.shift_id = day.shift_id
    AND why.attendance_on BETWEEN %(first_on)s::date AND %(last_on)s::date
LEFT JOIN attendance.person AS person ON person.org_id = day.org_id AND person.person_id = day.person_id
LEFT JOIN attendance.site AS site ON site.org_id = day.org_id AND site.site_id = day.site_id
LEFT JOIN attendance.organisation AS organisation ON organisation.org_id = day.org_id
WHERE day.org_id = %(org_id)s::text
  AND day.person_id = %(person_id)s::text
  AND day.attendance_on BETWEEN %(first_on)s::date AND %(last_on)s::date
  AND (%(sites)s::text[] IS NULL OR day.site_id = ANY (%(sites)s::text[]))
ORDER BY day.attendance_on, day.shift_id
