-- One page of the facts that the rules refused, by when ingest recorded them, newest first.
-- made_by NULL means of anybody; after_* NULL means the first page.
SELECT kind, fact_id, reason, detail, person_id, site_id, device_id, made_by, recorded_at, refused_at
FROM attendance.refused_fact
WHERE org_id = %(org_id)s::text
  AND recorded_at >= %(starts_at)s::timestamptz
  AND recorded_at < %(ends_at)s::timestamptz
  AND (%(made_by)s::text IS NULL OR made_by = %(made_by)s::text)
  AND (
      %(after_at)s::timestamptz IS NULL
      OR (recorded_at, kind, fact_id, reason)
          < (%(after_at)s::timestamptz, %(after_kind)s::text, %(after_fact_id)s::text, %(after_reason)s::text)
  )
ORDER BY recorded_at DESC, kind DESC, fact_id DESC, reason DESC
LIMIT %(limit)s::int
