"""Which settings of a service its --help does not explain."""

from service_kit.environment import EnvironmentSettings, group_of


def undescribed(settings: type[EnvironmentSettings]) -> list[str]:
    """Return the variables without a description, those of groups too."""
    found = []
    for name, field in settings.model_fields.items():
        if (group := group_of(field.annotation)) is not None:
            found += undescribed(group)
        elif not field.description:
            found.append(settings.variable(name))
    return found
