-- Facts are in Kafka: taking the read model down loses nothing that a rebuild does not bring back.

DROP FUNCTION ensure_partitions (text, date[]);
DROP TABLE consumed_position, enrolment, attendance_day, punch, capture, roster, shift, person, device, site,
    organisation;
