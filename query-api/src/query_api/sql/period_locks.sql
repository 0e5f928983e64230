-- One page of the locks of periods that cover any date of a range, also those that are in force no longer.
-- A lock without a site covers every site. sites NULL means every site of the organisation; after_* NULL means the
-- first page. What came of a lock before the lock itself has no dates, and is not shown.
SELECT
    lock.lock_id,
    lock.site_id,
    site.name AS site_name,
    lock.starts_on,
    lock.ends_on,
    CASE
        WHEN lock.reopened_at IS NOT NULL THEN 'REOPENED'
        WHEN lock.in_force THEN 'IN_FORCE'
        WHEN lock.sealing_id IS NOT NULL THEN 'SEALED'
        ELSE 'RECORDED'
    END AS state,
    lock.person_count,
    lock.made_by AS locked_by,
    lock.recorded_at AS locked_at,
    lock.reason,
    lock.reopened_by,
    lock.reopened_at,
    lock.reopened_because
FROM attendance.period_lock AS lock
LEFT JOIN attendance.site AS site ON site.org_id = lock.org_id AND site.site_id = lock.site_id
WHERE lock.org_id = %(org_id)s::text
  AND lock.starts_on <= %(last_on)s::date
  AND lock.ends_on >= %(first_on)s::date
  AND (
      %(sites)s::text[] IS NULL
      OR lock.site_id = ANY (%(sites)s::text[])
      OR (lock.site_id IS NULL AND cardinality(%(sites)s::text[]) > 0)
  )
  AND (
      %(after_on)s::date IS NULL
      OR (lock.starts_on, lock.lock_id) > (%(after_on)s::date, %(after_lock_id)s::uuid)
  )
ORDER BY lock.starts_on, lock.lock_id
LIMIT %(limit)s::int
