"""Record that payroll closed a period, or opened it again: who, when and why stay on record."""

from attendance_schemas.events import Act
from ingest.corrections.named_things import check_lock
from ingest.corrections.record_correction import CorrectionDesk, keep
from ingest.domain.actor import HR, Actor
from ingest.domain.period import (
    LockDocument,
    PeriodDocument,
    PeriodKind,
    ReopeningDocument,
    decide_period,
    identity_of,
    zone_in_which_it_goes_on,
)
from ingest.errors import FieldError, InvalidRecord

PAYROLL = frozenset((HR,))


async def record_period(
    kind: PeriodKind, document: PeriodDocument, actor: Actor, desk: CorrectionDesk
) -> tuple[Act, bool]:
    """Record a lock or reopening; return it as first accepted, and whether that was at an earlier request.

    A token for some sites locks these; it takes one for all sites to lock an organisation and to reopen.

    Raises:
        Forbidden, UnknownThing, OtherKind, InvalidRecord: not recorded, and why.
        AlreadyAccepted: the id names something else.
        TransientFailure: the object store or Kafka is away; the same request may be repeated.
    """
    what = kind.title.lower()
    authority = actor.require_role(PAYROLL, what)
    actor.require_site(document.site_id if isinstance(document, LockDocument) else None, what)
    if isinstance(document, LockDocument):
        _check(document, actor, desk)
    if isinstance(document, ReopeningDocument):
        await check_lock(document.lock_id, actor, desk.decisions)
    event = decide_period(document, org_id=actor.org_id, authority=authority, received_at=desk.clock())
    return await keep(event, identity_of(document), desk)


def _check(document: LockDocument, actor: Actor, desk: CorrectionDesk) -> None:
    """Raise InvalidRecord unless the site is recorded and the last date is over everywhere."""
    sites = [
        site for site in desk.directory.view.sites(actor.org_id) if document.site_id in {None, site.site_id}
    ]
    if document.site_id is not None and not sites:
        message = f"{document.site_id} is not recorded in organisation {actor.org_id}; record it first"
        raise InvalidRecord([FieldError("site_id", message)])
    zone = zone_in_which_it_goes_on(document.ends_on, (site.time_zone for site in sites), desk.clock())
    if zone is not None:
        message = f"{document.ends_on} is not over in {zone}; lock the period once it is"
        raise InvalidRecord([FieldError("ends_on", message)])
