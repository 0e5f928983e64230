"""Events about one organisation with a site, as its services would send them."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec

from attendance_projector.projection.stored import Tombstone
from attendance_schemas.events import (
    Authority,
    CaptureReceived,
    ClockTicked,
    DayOverridden,
    DayStatus,
    DefaultPolicy,
    DeviceKind,
    DeviceRecorded,
    EnrolmentDecided,
    EnrolmentOutcome,
    EnrolmentRequested,
    Event,
    HolidayRecorded,
    ImageReference,
    LeaveRecorded,
    MatchDecided,
    OrganisationRecorded,
    Outcome,
    PeriodLocked,
    PeriodReopened,
    PersonErased,
    PersonKeysErased,
    PersonRecorded,
    PolicyRecorded,
    PunchAdded,
    PunchMethod,
    PunchSubmitted,
    PunchVoided,
    ReviewDecided,
    RosterRecorded,
    ShiftRecorded,
    SiteRecorded,
    TimeTrust,
)
from attendance_schemas.identity import deterministic_id
from attendance_schemas.org_types import load_org_types
from attendance_schemas.topics import DIRECTORY as DIRECTORY_TOPIC

RECORDED_AT = datetime(2026, 1, 1, tzinfo=UTC)
IMAGE = ImageReference(
    bucket="b", key="k", sha256="00", media_type="image/jpeg", size_bytes=1, width=1, height=1
)


def by(subject: str, *sites: str, role: str = "hr") -> Authority:
    """Return an authority for some sites; without any, for all."""
    return Authority(subject=subject, role=role, sites=sites or None)


def _common(at: datetime = RECORDED_AT, **fields: Any) -> dict[str, Any]:
    return {"event_id": uuid4(), "occurred_at": at, "recorded_at": at, "org_id": "org"} | fields


class PlantEvents:
    """Makes events; each correction is recorded a second after the one before."""

    def __init__(self) -> None:
        self._corrections = 0

    def match(
        self,
        person: str | None,
        at: str,
        capture_id: UUID | None = None,
        outcome: Outcome = Outcome.IDENTIFIED,
        **fields: Any,
    ) -> MatchDecided:
        instant = datetime.fromisoformat(at).astimezone(UTC)
        return MatchDecided(
            **_common(instant),
            capture_id=capture_id or uuid4(),
            device_id="kiosk",
            site_id="site",
            device_sequence=1,
            time_trust=TimeTrust.SYNCED,
            image=IMAGE,
            received_at=instant,
            outcome=outcome,
            model_name="m",
            model_version="1",
            gallery_size=1,
            person_id=person,
            **fields,
        )

    def report(self, device_id: str, sequence: int, at: str) -> MatchDecided:
        """Return a capture of nobody, by which a device reports."""
        match = self.match(None, at, outcome=Outcome.NO_FACE)
        return msgspec.structs.replace(match, device_id=device_id, device_sequence=sequence)

    def site(self, zone: str = "Asia/Kolkata", site_id: str = "site") -> SiteRecorded:
        return SiteRecorded(**_common(), site_id=site_id, name="Plant", time_zone=zone)

    def device(self, device_id: str, site: str = "site", **fields: Any) -> DeviceRecorded:
        return DeviceRecorded(
            **_common(), device_id=device_id, site_id=site, name=device_id, kind=DeviceKind.KIOSK, **fields
        )

    def organisation(self, org_type: str = "company", **fields: Any) -> OrganisationRecorded:
        """Return an organisation with the policy that ingest takes from the file of its type."""
        policy = load_org_types()[org_type].policy
        default = None if policy is None else DefaultPolicy(**msgspec.structs.asdict(policy))
        return OrganisationRecorded(
            **_common(),
            name="Acme",
            time_zone="Asia/Kolkata",
            org_type=org_type,
            default_policy=default,
            **fields,
        )

    def person(
        self, name: str, shift: str | None = "day", site: str = "site", **fields: Any
    ) -> PersonRecorded:
        return PersonRecorded(
            **_common(),
            person_id=name,
            home_site_id=site,
            display_name=fields.pop("display_name", name),
            default_shift_id=shift,
            **fields,
        )

    def shift(
        self, name: str, start: int, end: int, effective_on: date = date(2026, 1, 1), **fields: Any
    ) -> Any:
        return ShiftRecorded(
            **_common(),
            shift_id=name,
            effective_on=effective_on,
            name=name,
            start=time(start),
            end=time(end),
            **fields,
        )

    def roster(
        self, person: str, shift: str, starts_on: date, ends_on: date | None = None, **fields: Any
    ) -> Any:
        return RosterRecorded(
            **_common(),
            roster_id=fields.pop("roster_id", "roster-" + person),
            person_id=person,
            shift_id=shift,
            starts_on=starts_on,
            ends_on=ends_on,
            **fields,
        )

    def holiday(self, on: date, site: str | None = None, holiday_id: str = "holiday") -> HolidayRecorded:
        return HolidayRecorded(
            **_common(), holiday_id=holiday_id, name="Holiday", holiday_on=on, site_id=site
        )

    def leave(self, person: str, starts_on: date, ends_on: date | None = None, **fields: Any) -> Any:
        return LeaveRecorded(
            **_common(),
            leave_id=fields.pop("leave_id", "leave-" + person),
            person_id=person,
            starts_on=starts_on,
            ends_on=ends_on or starts_on,
            **fields,
        )

    def policy(self, effective_on: date = date(2026, 1, 1), **fields: Any) -> PolicyRecorded:
        return PolicyRecorded(
            **_common(),
            policy_id=fields.pop("policy_id", "policy"),
            effective_on=effective_on,
            name="Policy",
            expects_attendance=fields.pop("expects_attendance", False),
            **fields,
        )

    def tombstone(self, event: Event) -> Tombstone:
        """Take a directory event back."""
        key = DIRECTORY_TOPIC.key_of(event)
        named = DIRECTORY_TOPIC.fields_of(key)
        assert named is not None
        return Tombstone(*named, key=key)

    def enrolment(self, person: str) -> EnrolmentDecided:
        return EnrolmentDecided(
            **_common(),
            enrolment_id=uuid4(),
            person_id=person,
            outcome=EnrolmentOutcome.ENROLLED,
            template_count=1,
            photos=(),
            model_name="m",
            model_version="1",
        )

    def received(self, match: MatchDecided, **fields: Any) -> CaptureReceived:
        """Return what ingest accepted before recognition made this decision."""
        return CaptureReceived(
            **_common(match.occurred_at)
            | {
                "capture_id": match.capture_id,
                "device_id": match.device_id,
                "site_id": match.site_id,
                "device_sequence": match.device_sequence,
                "time_trust": match.time_trust,
                "image": match.image,
                "captured_at": match.occurred_at,
            }
            | fields
        )

    def requested(self, enrolment: EnrolmentDecided) -> EnrolmentRequested:
        """Return what ingest accepted before recognition decided this enrolment."""
        return EnrolmentRequested(
            **_common(),
            enrolment_id=enrolment.enrolment_id,
            person_id=enrolment.person_id,
            photos=(),
            consent_reference="c",
            authority=by("hr-1"),
        )

    def erasure(self, person: str, at: datetime = RECORDED_AT) -> PersonErased:
        return PersonErased(**_common(at), authority=by("hr-1"), erasure_id=uuid4(), person_id=person)

    def erased(self, erasure: PersonErased, completed_at: datetime | None) -> PersonKeysErased:
        """Return what the worker writes about an erasure; None: it has begun."""
        return PersonKeysErased(
            **_common(erasure.occurred_at), person_id=erasure.person_id, completed_at=completed_at
        )

    def punch(self, credential: str, at: str, punch_id: UUID | None = None, **fields: Any) -> PunchSubmitted:
        """Return a punch by badge; `person` is whom ingest had for it."""
        instant = datetime.fromisoformat(at).astimezone(UTC)
        return PunchSubmitted(
            **_common(instant),
            punch_id=punch_id or uuid4(),
            method=fields.pop("method", PunchMethod.BADGE),
            credential=credential,
            person_id=fields.pop("person", None),
            site_id=fields.pop("site_id", "site"),
            device_id=fields.pop("device_id", "reader"),
            time_trust=TimeTrust.SYNCED,
            captured_at=instant,
            **{"authority": by("reader", "site", role="device")} | fields,
        )

    def _corrected(self, person: str, **fields: Any) -> dict[str, Any]:
        """Return what corrections share; each is recorded a second after the one before."""
        self._corrections += 1
        at = RECORDED_AT + timedelta(seconds=self._corrections)
        made = {"authority": by("hr-1"), "reason": "asked", "correction_id": uuid4(), "person_id": person}
        return _common(at) | made | fields

    def addition(self, person: str, at: str, **fields: Any) -> PunchAdded:
        occurred_at = datetime.fromisoformat(at).astimezone(UTC)
        common = self._corrected(person, **fields) | {"occurred_at": occurred_at}
        return PunchAdded(**common, punch_id=deterministic_id("PunchAdded", common["correction_id"]))

    def void(self, person: str, what: Event | UUID, **fields: Any) -> Any:
        """Void a punch by its event, or a correction by its id."""
        if isinstance(what, UUID):
            return PunchVoided(**self._corrected(person, voided_correction_id=what, **fields))
        assert isinstance(what, MatchDecided | PunchSubmitted | PunchAdded)
        punch_id = what.capture_id if isinstance(what, MatchDecided) else what.punch_id
        return PunchVoided(**self._corrected(person, punch_id=punch_id, **fields))

    def override(self, person: str, on: date, status: DayStatus, **fields: Any) -> DayOverridden:
        return DayOverridden(**self._corrected(person, attendance_on=on, status=status, **fields))

    def review(self, capture_id: UUID, person: str | None, **fields: Any) -> ReviewDecided:
        common = self._corrected("nobody")
        del common["correction_id"], common["person_id"]
        return ReviewDecided(
            **common | {"review_id": uuid4(), "capture_id": capture_id, "person_id": person} | fields
        )

    def lock(self, starts_on: date, ends_on: date, site: str | None = None, **fields: Any) -> PeriodLocked:
        common = self._corrected("nobody")
        del common["correction_id"], common["person_id"]
        period = {"lock_id": uuid4(), "starts_on": starts_on, "ends_on": ends_on, "site_id": site}
        return PeriodLocked(**common | period | fields)

    def reopening(self, lock: PeriodLocked, **fields: Any) -> PeriodReopened:
        common = self._corrected("nobody")
        del common["correction_id"], common["person_id"]
        return PeriodReopened(**common | fields, reopening_id=uuid4(), lock_id=lock.lock_id)

    def tick(self, at: str, **fields: Any) -> ClockTicked:
        common = _common(datetime.fromisoformat(at).astimezone(UTC)) | {"org_id": ""}
        return ClockTicked(**common, **fields)
