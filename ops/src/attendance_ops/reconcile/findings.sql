-- What does not agree, one row for each fact.

CREATE INDEX shown_id ON shown (org, id);
CREATE INDEX absent_id ON absent (org, id, place);
CREATE INDEX unpublished_id ON unpublished (org, id);
CREATE INDEX report_device ON report (org, device, first);

-- Accepted, and on no topic. What its topic keeps no longer, and the tables show, is as it should be.
INSERT INTO finding (name, org, id, kind, at, detail)
SELECT 'missing-event', lost.org, lost.id, lost.kind, lost.at, NULL
FROM unpublished AS lost
LEFT JOIN shown USING (org, id)
WHERE lost.problem IS NULL
    AND NOT EXISTS (SELECT 1 FROM absent WHERE absent.org = lost.org AND absent.id = lost.id AND absent.place = 'image')
    AND (NOT lost.is_expired OR coalesce(shown.fate, 0) < 2);

INSERT INTO finding (name, org, id, kind, at)
SELECT CASE WHEN coalesce(shown.fate, 0) > 0 THEN 'image-gone' ELSE 'unfinished-upload' END, lost.org, lost.id, lost.kind, lost.at
FROM unpublished AS lost
JOIN absent ON absent.org = lost.org AND absent.id = lost.id AND absent.place = 'image'
LEFT JOIN shown ON shown.org = lost.org AND shown.id = lost.id
WHERE lost.problem IS NULL AND NOT (lost.is_expired AND coalesce(shown.fate, 0) = 2);

INSERT INTO finding (name, org, id, kind, at)
SELECT 'image-gone', fact.org, fact.id, fact.kind, fact.last_at
FROM fact JOIN absent ON absent.org = fact.org AND absent.id = fact.id AND absent.place = 'image';

INSERT INTO finding (name, org, id, kind, at)
SELECT 'acceptance-gone', fact.org, fact.id, fact.kind, fact.last_at
FROM fact JOIN absent ON absent.org = fact.org AND absent.id = fact.id AND absent.place = 'accepted';

-- Read by recognition, which publishes what it decides before it says that it has read.
INSERT INTO finding (name, org, id, kind, at, attempts)
SELECT 'undecided', org, id, kind, last_at, attempts
FROM fact
WHERE is_judged AND is_recognised AND kind IN ('CaptureReceived', 'EnrolmentRequested')
    AND NOT EXISTS (SELECT 1 FROM decision WHERE decision.org = fact.org AND decision.id = fact.id);

-- Read by the projector, the fact or what was decided on it, and no row tells.
INSERT INTO finding (name, org, id, kind, at, attempts)
SELECT 'not-shown', fact.org, fact.id, fact.kind, fact.last_at, fact.attempts
FROM fact
LEFT JOIN shown USING (org, id)
WHERE is_judged
    AND (
        (is_projected AND coalesce(shown.fate, 0) = 0)
        OR (
            coalesce(shown.fate, 0) < 2
            AND EXISTS (
                SELECT 1 FROM decision
                WHERE decision.org = fact.org AND decision.id = fact.id AND is_projected AND at < :ripe
            )
        )
    )
    AND NOT EXISTS (SELECT 1 FROM decision WHERE decision.org = fact.org AND decision.id = fact.id AND is_dead)
    AND NOT EXISTS (
        SELECT 1 FROM finding WHERE finding.name = 'undecided' AND finding.org = fact.org AND finding.id = fact.id
    );

INSERT INTO finding (name, org, id, kind, at, detail)
SELECT 'other-content', org, id, kind, last_at, contents || ' contents'
FROM fact WHERE is_judged AND contents > 1;

INSERT INTO finding (name, org, at, detail)
SELECT 'number-reused', org, max(at), device || ': number ' || sequence || ', ' || count(DISTINCT id) || ' ids'
FROM event
WHERE device IS NOT NULL AND sequence IS NOT NULL
GROUP BY org, device, sequence
HAVING count(DISTINCT id) > 1 AND max(at) >= :since AND min(at) < :until;

INSERT INTO finding (name, org, id, kind, at)
SELECT 'orphan-image', image.org, image.id, NULL, image.at
FROM image JOIN absent ON absent.org = image.org AND absent.id = image.id AND absent.place = 'accepted'
WHERE NOT EXISTS (SELECT 1 FROM fact WHERE fact.org = image.org AND fact.id = image.id);

INSERT INTO finding (name, org, id, kind, at, detail)
SELECT 'unreadable-object', org, id, kind, at, problem FROM unpublished WHERE problem IS NOT NULL;

INSERT INTO finding (name, org, at, detail)
SELECT 'unreadable-object', '', at, 'its key names no id' FROM stranger WHERE at >= :since AND at < :until;
