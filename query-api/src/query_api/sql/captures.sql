-- One page of decided captures between two instants, newest first.
-- The caller moves ends_at down to the cursor's instant, because the comparison of the whole key does not prune.
-- rows: capture
WHERE capture.org_id = %(org_id)s::text
  AND capture.occurred_at >= %(starts_at)s::timestamptz
  AND capture.occurred_at < %(ends_at)s::timestamptz
  AND capture.outcome IS NOT NULL
  AND (%(sites)s::text[] IS NULL OR capture.site_id = ANY (%(sites)s::text[]))
  AND (%(outcome)s::text IS NULL OR capture.outcome = %(outcome)s::text)
  AND (%(device_id)s::text IS NULL OR capture.device_id = %(device_id)s::text)
  AND (%(person_id)s::text IS NULL OR capture.person_id = %(person_id)s::text)
  AND (
      %(after_at)s::timestamptz IS NULL
      OR (capture.occurred_at, capture.capture_id) < (%(after_at)s::timestamptz, %(after_capture_id)s::uuid)
  )
ORDER BY capture.occurred_at DESC, capture.capture_id DESC
LIMIT %(limit)s::int
