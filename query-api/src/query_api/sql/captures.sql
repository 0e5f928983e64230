-- One page of decided captures between two instants, newest first. The page is cut before the names are looked up.
-- The caller moves ends_at down to the cursor's instant, because the comparison of the whole key does not prune.
-- sites NULL means every site of the organisation. Of a few sites each is asked for its newest captures: whoever looks
-- through those of all sites until a page is full reads every capture of the range for a site that has none.
-- rows: capture
FROM (
    (
        SELECT capture.*
        FROM attendance.capture AS capture
        WHERE capture.org_id = %(org_id)s::text
          AND (
              %(sites)s::text[] IS NULL
              OR cardinality(%(sites)s::text[]) > 20 AND capture.site_id = ANY (%(sites)s::text[])
          )
          AND capture.occurred_at >= %(starts_at)s::timestamptz
          AND capture.occurred_at < %(ends_at)s::timestamptz
          AND (%(outcome)s::text IS NULL OR capture.outcome = %(outcome)s::text)
          AND (%(device_id)s::text IS NULL OR capture.device_id = %(device_id)s::text)
          AND (%(person_id)s::text IS NULL OR capture.person_id = %(person_id)s::text)
-- rows: is_reviewed
          AND (
              %(after_at)s::timestamptz IS NULL
              OR (capture.occurred_at, capture.capture_id) < (%(after_at)s::timestamptz, %(after_capture_id)s::uuid)
          )
        ORDER BY capture.occurred_at DESC, capture.capture_id DESC
        LIMIT %(limit)s::int
    )
    UNION ALL
    SELECT newest.*
    FROM unnest(%(sites)s::text[]) AS asked (site_id)
    CROSS JOIN LATERAL (
        SELECT capture.*
        FROM attendance.capture AS capture
        WHERE capture.org_id = %(org_id)s::text
          AND capture.site_id = asked.site_id
          AND capture.occurred_at >= %(starts_at)s::timestamptz
          AND capture.occurred_at < %(ends_at)s::timestamptz
          AND (%(outcome)s::text IS NULL OR capture.outcome = %(outcome)s::text)
          AND (%(device_id)s::text IS NULL OR capture.device_id = %(device_id)s::text)
          AND (%(person_id)s::text IS NULL OR capture.person_id = %(person_id)s::text)
-- rows: is_reviewed
          AND (
              %(after_at)s::timestamptz IS NULL
              OR (capture.occurred_at, capture.capture_id) < (%(after_at)s::timestamptz, %(after_capture_id)s::uuid)
          )
        ORDER BY capture.occurred_at DESC, capture.capture_id DESC
        LIMIT %(limit)s::int
    ) AS newest
    WHERE cardinality(%(sites)s::text[]) <= 20
) AS capture
LEFT JOIN attendance.person AS person ON person.org_id = capture.org_id AND person.person_id = capture.person_id
LEFT JOIN attendance.site AS site ON site.org_id = capture.org_id AND site.site_id = capture.site_id
-- rows: last_review
ORDER BY capture.occurred_at DESC, capture.capture_id DESC
LIMIT %(limit)s::int
