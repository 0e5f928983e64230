-- The days of locked periods stay as they were locked until a fact comes, or a rebuild.

DROP TABLE adjustment, locked_adjustment, locked_day, locked_person, period_lock;
