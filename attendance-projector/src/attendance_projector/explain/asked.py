"""Whom somebody asks about: an id is its organisation's own, so alone it can mean several people or sites."""

from collections.abc import Sequence

from attendance_projector.errors import SnapshotRefused, UnknownPerson
from attendance_projector.explain.ports import Snapshot
from attendance_projector.projection.stored import KnownPerson, PersonKey


async def person_asked(snapshot: Snapshot, person_id: str, org_id: str | None) -> KnownPerson:
    """Return the person; org_id None: of the only organisation that has the id.

    Raises UnknownPerson, or SnapshotRefused when several organisations have the id.
    """
    org_ids = [org_id] if org_id else await snapshot.organisations_of_person(person_id)
    known = _only("person", person_id, org_ids)
    found = await snapshot.directory.people([] if known is None else [PersonKey(known, person_id)])
    if not found:
        raise UnknownPerson(await _unknown(snapshot, person_id, org_id))
    return next(iter(found.values()))


async def people_at_site(snapshot: Snapshot, site_id: str, org_id: str | None) -> Sequence[PersonKey]:
    """Return the people of a site. Raises SnapshotRefused when none, or several, have the id."""
    org_ids = await snapshot.organisations_of_site(site_id)
    known = _only("site", site_id, [each for each in org_ids if org_id in {None, each}])
    if known is None:
        raise SnapshotRefused(f"site {site_id} is not recorded; check the id")
    return await snapshot.people_at((known, site_id))


def _only(kind: str, own_id: str, org_ids: Sequence[str]) -> str | None:
    if len(org_ids) > 1:
        raise SnapshotRefused(f"several organisations have a {kind} {own_id}; say which one with --org")
    return org_ids[0] if org_ids else None


async def _unknown(snapshot: Snapshot, person_id: str, org_id: str | None) -> str:
    count = await snapshot.waiting_count(person_id, org_id)
    waiting = f" {count} punches of this id wait for it." if count else ""
    return (
        f"nobody is recorded under {person_id}.{waiting} Check the id, or record the person: "
        f"PUT /v1/directory/persons/{person_id}"
    )
