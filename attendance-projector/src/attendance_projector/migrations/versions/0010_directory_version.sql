-- Counts changes of the directory, so that a projector may remember people between transactions.

CREATE SEQUENCE directory_version;
-- A sequence shows its first value both before and after it was taken.
SELECT setval('directory_version', 1);
COMMENT ON SEQUENCE directory_version IS
    'Moves whenever a transaction may change the directory; who remembers people compares it under the shared lock.';
