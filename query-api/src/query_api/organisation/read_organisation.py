"""Tell what an organisation is: its type, what things are called there, and which roles it uses."""

from collections.abc import Mapping

from attendance_schemas.org_types import USUAL_TYPE, OrgType
from query_api.domain.rows import Label, OrganisationDescription
from query_api.domain.scope import Scope
from query_api.ports import ReadModel
from query_api.recorded_organisation import not_recorded


async def read_organisation(
    *, scope: Scope, read_model: ReadModel, org_types: Mapping[str, OrgType]
) -> OrganisationDescription:
    """Return the organisation of the caller, called as its type says. Raises UnknownOrganisation.

    Of a type whose file this service does not have, the labels are those of the usual one: `labels_of` says.
    """
    found = await read_model.organisation(scope)
    if found is None:
        raise not_recorded(scope)
    name = found.org_type if found.org_type in org_types else USUAL_TYPE
    used = org_types[name]
    return OrganisationDescription(
        org_id=found.org_id,
        name=found.name,
        time_zone=found.time_zone,
        org_type=found.org_type,
        labels_of=name,
        labels={thing: _label(used, thing) for thing in used.labels.__struct_fields__},
        roles={role: text for role, text in used.roles.items()},
        default_policy=found.default_policy,
        default_policy_on=found.default_policy_on,
    )


def _label(used: OrgType, thing: str) -> Label:
    words = getattr(used.labels, thing)
    return Label(one=words.one, many=words.many)
