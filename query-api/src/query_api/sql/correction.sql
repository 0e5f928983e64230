-- One correction, review, lock or reopening that counts. A reader limited to sites sees it by the home of its person, the site of its
-- capture or lock, or as its maker.
SELECT found.correction_id, found.kind, found.person_id, person.display_name, found.made_by, found.reason, found.recorded_at
FROM (
    SELECT correction_id, kind, person_id, NULL AS site_id, made_by, reason, recorded_at
    FROM attendance.correction
    WHERE org_id = %(org_id)s::text AND correction_id = %(correction_id)s::uuid
    UNION ALL
    SELECT decided.review_id, 'REVIEW', decided.person_id, seen.site_id, decided.made_by, decided.reason,
        decided.recorded_at
    FROM attendance.review AS decided
    LEFT JOIN LATERAL (
        SELECT capture.site_id
        FROM attendance.capture AS capture
        WHERE capture.org_id = decided.org_id
          AND capture.capture_id = decided.capture_id
          AND capture.occurred_at >= %(starts_at)s::timestamptz
          AND capture.occurred_at < %(ends_at)s::timestamptz
        LIMIT 1
    ) AS seen ON true
    WHERE decided.org_id = %(org_id)s::text
      AND decided.review_id = %(correction_id)s::uuid
-- rows: review_counts
    UNION ALL
    SELECT lock_id, 'LOCK', NULL, site_id, made_by, reason, recorded_at
    FROM attendance.period_lock
    WHERE org_id = %(org_id)s::text AND lock_id = %(correction_id)s::uuid AND made_by IS NOT NULL
    UNION ALL
    SELECT reopening_id, 'REOPENING', NULL, site_id, reopened_by, reopened_because, reopened_at
    FROM attendance.period_lock
    WHERE org_id = %(org_id)s::text AND reopening_id = %(correction_id)s::uuid
) AS found
LEFT JOIN attendance.person AS person ON person.org_id = %(org_id)s::text AND person.person_id = found.person_id
WHERE %(sites)s::text[] IS NULL
   OR found.site_id = ANY (%(sites)s::text[])
   OR person.home_site_id = ANY (%(sites)s::text[])
   OR found.made_by = %(subject)s::text
LIMIT 1
