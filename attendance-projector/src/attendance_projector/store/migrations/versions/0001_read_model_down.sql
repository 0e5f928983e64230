-- Facts are in Kafka: taking the read model down loses nothing that a rebuild does not bring back.

DROP FUNCTION ensure_partitions, people_found;
DROP TABLE installation, partitioned_table, outbox, stale_span, untold_lock, consumed_topic, consumed_position, site_watermark,
    device_report, device_point, clock, adjustment, locked_adjustment, locked_day, locked_person, period_lock, unsettled_day, open_day,
    day_explanation, attendance_day, erased_person, erasure, dead_letter, awaited_fact, refused_fact, correction, review, pending_fact,
    punch, enrolment, capture, policy, leave, holiday, roster, shift, person, device, site, organisation;
DROP FUNCTION outbox_filled;
DROP SEQUENCE directory_version;
