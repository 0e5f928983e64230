"""Groups of variables: read from the environment, refused at start when a name is unknown or a value is bad.

Each group has one class; a service composes them. Secrets are `SecretStr` and never appear in a message. With
`SECRETS_DIR` set, a variable may also be a file of that folder with the variable's name in lower case.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
)

from service_kit.errors import SettingsError

# So alike is a misspelt variable to the right one: their names after the prefix, by difflib's ratio.
ALIKE = 0.6
# What to write instead, where pydantic's own words are about its implementation.
_FORMS = {"date_from_datetime_parsing": "write a date such as 2026-01-31"}


class _Variables(EnvSettingsSource):
    """The environment, one variable a field: a group of variables has no variable of its own."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        if group_of(field.annotation) is not None:
            return None, field_name, False
        return super().get_field_value(field, field_name)


class _SecretFiles(SecretsSettingsSource):
    """The files of `SECRETS_DIR`, one a field."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        if group_of(field.annotation) is not None:
            return None, field_name, False
        return super().get_field_value(field, field_name)


class EnvironmentSettings(BaseSettings):
    """A frozen group of variables that share the prefix `env_prefix`."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    env_prefix: ClassVar[str] = ""
    owns_prefix: ClassVar[bool] = False
    """Whether nobody else names variables with this prefix."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read arguments first, then the environment, then the secrets folder."""
        del env_settings, dotenv_settings, file_secret_settings
        sources = (init_settings, _Variables(settings_cls, env_prefix=cls.env_prefix))
        folder = os.environ.get("SECRETS_DIR")
        if folder is None:
            return sources
        return (*sources, _SecretFiles(settings_cls, secrets_dir=folder, env_prefix=cls.env_prefix))

    @classmethod
    def variable(cls, field: str) -> str:
        """Name the environment variable of a field."""
        return f"{cls.env_prefix}{field}".upper()

    @classmethod
    def load(cls) -> Self:
        """Read the settings.

        Raises:
            SettingsError: names every variable that is missing, wrong or unknown, without its value.
        """
        problems = dict.fromkeys(_secrets_folder_problems())  # in order, each once
        built: dict[str, EnvironmentSettings] = {}
        if not problems:
            for name, group in _groups(cls).items():
                # A group that fails is named once; an empty one takes its place while the others are read.
                built[name] = group._read(problems) or group.model_construct()
            settings = cls._read(problems, **built)
            if settings is not None and not problems:
                return settings
        raise SettingsError(f"set these variables right and start again: {'; '.join(problems)}")

    @classmethod
    def _read(cls, problems: dict[str, None], **groups: Any) -> Self | None:
        """Read one group of variables; add what is wrong with it to `problems`."""
        problems.update(dict.fromkeys(_unknown_variables(cls)))
        try:
            return cls(**groups)
        except ValidationError as error:
            problems.update(dict.fromkeys(_problems(cls, error)))
        return None


def group_of(annotation: Any) -> type[EnvironmentSettings] | None:
    """Return the group of variables that a field's annotation stands for; None for a single variable."""
    is_group = isinstance(annotation, type) and issubclass(annotation, EnvironmentSettings)
    return annotation if is_group else None


def _groups(cls: type[EnvironmentSettings]) -> dict[str, type[EnvironmentSettings]]:
    found = {name: group_of(field.annotation) for name, field in cls.model_fields.items()}
    return {name: group for name, group in found.items() if group is not None}


def _secrets_folder_problems() -> Iterator[str]:
    folder = os.environ.get("SECRETS_DIR")
    if folder is not None and not (folder and Path(folder).is_dir()):
        yield "SECRETS_DIR: there is no folder with this name"


def _problems(cls: type[EnvironmentSettings], error: ValidationError) -> Iterator[str]:
    """Yield what is wrong with each variable, without its value."""
    for item in error.errors(include_input=False, include_url=False):
        if not item["loc"]:  # about several variables: the message names them
            yield _in_words(item)
            continue
        name = cls.variable(".".join(str(part) for part in item["loc"]))
        yield f"{name} is not set" if item["type"] == "missing" else f"{name}: {_in_words(item)}"


def _in_words(item: ErrorDetails) -> str:
    if item["type"] == "value_error":
        return str(item["ctx"]["error"])
    return _FORMS.get(item["type"], item["msg"].replace("Input should", "it should"))


def _unknown_variables(cls: type[EnvironmentSettings]) -> Iterator[str]:
    """Yield the variables with this prefix that no field reads.

    A service's own prefix is its alone. With the prefix of a shared group others name theirs too, Kafka's
    scripts (KAFKA_OPTS) and Kubernetes (KAFKA_SERVICE_HOST): there a variable is refused when it is nearly
    the name of one that is read.
    """
    prefix = cls.env_prefix
    known = [cls.variable(name) for name in cls.model_fields.keys() - _groups(cls).keys()]
    rests = sorted(name.removeprefix(prefix) for name in known)
    cutoff = 0.0 if cls.owns_prefix else ALIKE
    for name in sorted(os.environ):
        if not prefix or not name.startswith(prefix) or name in known:
            continue
        closest = difflib.get_close_matches(name.removeprefix(prefix), rests, n=1, cutoff=cutoff)
        if closest:
            yield f"{name} is not a setting, did you mean {prefix}{closest[0]}?"
