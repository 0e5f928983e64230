"""Examples of answers for the API's document; a test holds them to the shapes of the answers."""

ATTENDANCE_DAY: dict[str, object] = {
    "attendance_on": "2026-03-02",
    "person_id": "p-1042",
    "display_name": "Asha Rao",
    "shift_id": "day",
    "site_id": "pune-1",
    "site_name": "Pune plant",
    "time_zone": "Asia/Kolkata",
    "status": "PRESENT",
    "worked_minutes": 240,
    "first_in_at": "2026-03-02T02:30:00Z",
    "last_out_at": "2026-03-02T06:30:00Z",
    "late": False,
    "late_minutes": 0,
    "early": False,
    "early_minutes": 0,
    "break_minutes": 0,
    "overtime_minutes": 0,
    "missing": None,
    "open_since": None,
    "punch_count": 2,
    "locked": True,
}

ATTENDANCE_PAGE: dict[str, object] = {
    "items": [ATTENDANCE_DAY],
    "next": "/v1/attendance?from=2026-03-01&to=2026-03-31&limit=1&cursor=q83vEjRWeJCrze8SWyIyMDI2",
}

ADJUSTMENT: dict[str, object] = {
    "booked_on": "2026-04-01",
    "person_id": "p-1042",
    "display_name": "Asha Rao",
    "attendance_on": "2026-03-02",
    "shift_id": "day",
    "site_id": "pune-1",
    "site_name": "Pune plant",
    "time_zone": "Asia/Kolkata",
    "status_from": "PRESENT",
    "status_to": "PRESENT",
    "worked_minutes": 30,
    "overtime_minutes": 0,
    "late_minutes": 0,
    "early_minutes": 0,
    "break_minutes": 0,
    "settled": False,
    "settled_by": None,
    "explanation": [
        {
            "rule": "adjustment",
            "punch": None,
            "text": "worked +0 h 30 min; booked on 2026-04-01, the first open date",
        }
    ],
}

ADJUSTMENT_PAGE: dict[str, object] = {"items": [ADJUSTMENT], "next": None}

PERIOD_LOCK: dict[str, object] = {
    "lock_id": "3d0b7a52-11c4-4b7e-9c39-52a4d9fb0011",
    "site_id": None,
    "site_name": None,
    "starts_on": "2026-03-01",
    "ends_on": "2026-03-31",
    "state": "IN_FORCE",
    "person_count": 250,
    "locked_by": "hr-1",
    "locked_at": "2026-04-02T04:30:00Z",
    "reason": "payroll of March",
    "reopened_by": None,
    "reopened_at": None,
    "reopened_because": None,
}

PERIOD_LOCK_PAGE: dict[str, object] = {"items": [PERIOD_LOCK], "next": None}

PERSON: dict[str, object] = {
    "person_id": "p-1042",
    "display_name": "Asha Rao",
    "badge": "B-77",
    "home_site_id": "pune-1",
    "site_name": "Pune plant",
    "joined_on": "2024-01-08",
    "left_on": None,
    "active": True,
    "default_shift_id": "day",
}

PEOPLE_PAGE: dict[str, object] = {"items": [PERSON], "next": None}

UNSCHEDULED: dict[str, object] = {
    "punch_id": "019cac8c-6d40-7c3a-9b1e-2f6d1c0a4e77",
    "occurred_at": "2026-03-02T15:00:00Z",
    "occurred_on": "2026-03-02",
    "person_id": "p-1042",
    "display_name": "Asha Rao",
    "home_site_id": "pune-1",
    "home_site_name": "Pune plant",
    "time_zone": "Asia/Kolkata",
    "site_id": "pune-1",
    "device_id": "kiosk-3",
    "direction": "OUT",
    "method": "face",
}

UNSCHEDULED_PAGE: dict[str, object] = {"items": [UNSCHEDULED], "next": None}

PERSON_ATTENDANCE: dict[str, object] = {
    "person": PERSON,
    "days": [
        ATTENDANCE_DAY
        | {
            "explanation": [{"rule": "status", "punch": None, "text": "PRESENT: 4 h is below no threshold"}],
            "shift_effective_on": "2026-01-01",
        }
    ],
    "unscheduled": [UNSCHEDULED],
}

PRESENCE: dict[str, object] = {
    "at": "2026-03-02T05:00:00Z",
    "present_count": 1,
    "sites": [{"site_id": "pune-1", "site_name": "Pune plant", "present_count": 1}],
    "people": [
        {
            "person_id": "p-1042",
            "display_name": "Asha Rao",
            "site_id": "pune-1",
            "site_name": "Pune plant",
            "time_zone": "Asia/Kolkata",
            "open_since": "2026-03-02T02:30:00Z",
        }
    ],
    "next": None,
}

CAPTURE: dict[str, object] = {
    "capture_id": "019cac8c-6d40-7c3a-9b1e-2f6d1c0a4e55",
    "occurred_at": "2026-03-02T02:30:00Z",
    "site_id": "pune-1",
    "site_name": "Pune plant",
    "device_id": "kiosk-3",
    "device_sequence": 8812,
    "direction": "IN",
    "time_trust": "SYNCED",
    "outcome": "IDENTIFIED",
    "person_id": "p-1042",
    "display_name": "Asha Rao",
    "reason": None,
    "image_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "received_at": "2026-03-02T02:30:01Z",
    "decided_at": "2026-03-02T02:30:01.4Z",
    "recognition": {
        "score": 0.71,
        "runner_up_person_id": "p-2210",
        "runner_up_score": 0.31,
        "threshold": 0.5,
        "margin": 0.05,
        "model_name": "SFace",
        "model_version": "2021dec",
        "decision_round": 0,
    },
    "review": None,
}

PUNCH: dict[str, object] = {
    "punch_id": "019cac8c-6d40-7c3a-9b1e-2f6d1c0a4e57",
    "occurred_at": "2026-03-02T02:31:00Z",
    "person_id": "p-1042",
    "display_name": "Asha Rao",
    "site_id": "pune-1",
    "site_name": "Pune plant",
    "device_id": "reader-1",
    "direction": "IN",
    "method": "badge",
    "placement": "DAY",
    "placed_on": "2026-03-02",
    "placed_shift_id": "day",
}

CORRECTION: dict[str, object] = {
    "correction_id": "3d0b7a52-11c4-4b7e-9c39-52a4d9fb0013",
    "kind": "ADD",
    "person_id": "p-1042",
    "display_name": "Asha Rao",
    "made_by": "hr-1",
    "reason": "forgot the badge",
    "recorded_at": "2026-03-02T09:00:00Z",
}

ERASURE: dict[str, object] = {
    "erasure_id": "3d0b7a52-11c4-4b7e-9c39-52a4d9fb0014",
    "person_id": "p-1042",
    "display_name": "Asha Rao",
    "requested_at": "2026-03-02T09:00:00Z",
    "made_by": "hr-1",
    "state": "DONE",
    "completed_at": "2026-03-02T09:00:01Z",
}

CAPTURE_PAGE: dict[str, object] = {"items": [CAPTURE], "next": None}

REFUSED_FACT: dict[str, object] = {
    "kind": "ReviewDecided",
    "fact_id": "3d0b7a52-11c4-4b7e-9c39-52a4d9fb0012",
    "reason": "out-of-scope",
    "detail": "capture 019cac8c-6d40-7c3a-9b1e-2f6d1c0a4e55 shows somebody of another site, and foreman-7 "
    "acts for pune-1 only; ask somebody who acts for both",
    "person_id": "p-1042",
    "site_id": "pune-1",
    "device_id": None,
    "made_by": "foreman-7",
    "recorded_at": "2026-03-02T09:00:00Z",
    "refused_at": "2026-03-02T09:00:00.2Z",
}

REFUSED_FACT_PAGE: dict[str, object] = {"items": [REFUSED_FACT], "next": None}

ENROLMENT: dict[str, object] = {
    "enrolment_id": "019cac8c-6d40-7c3a-9b1e-2f6d1c0a4e56",
    "person_id": "p-1042",
    "display_name": "Asha Rao",
    "outcome": "ENROLLED",
    "template_count": 1,
    "photos": [
        {
            "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "accepted": True,
            "template_id": "5d3b1f4e-7a52-5a0e-9b0c-64f5a9a0a1c2",
            "reasons": [],
        }
    ],
    "requested_at": "2026-03-01T09:00:00Z",
    "decided_at": "2026-03-01T09:00:04Z",
    "model_name": "SFace",
    "model_version": "2021dec",
    "erased_at": None,
}

ORGANISATION = {
    "org_id": "hillside",
    "name": "Hillside School",
    "time_zone": "Europe/London",
    "org_type": "school",
    "default_policy": {"weekly_offs": ["SAT", "SUN"], "flexible_day_start": None, "expects_attendance": True},
    "default_policy_on": "2026-01-05",
    "labels_of": "school",
    "labels": {"person": {"one": "pupil", "many": "pupils"}, "shift": {"one": "lesson", "many": "lessons"}},
    "roles": {"supervisor": "Class teacher", "hr": "School office"},
}
