"""Errors of the contract; each message says what happened and what to do."""


class SchemaError(Exception):
    """Base of every error of this package."""


class UndecodableRecord(SchemaError):
    """These bytes can never be read as an event of the contract."""


class RegistryUnavailable(SchemaError):
    """The schema registry does not answer; the same call may work later."""


class SchemaUnknown(RegistryUnavailable):
    """The schema registry answers, and knows no schema of this id, yet: it may be being restored."""


class BrokerUnavailable(SchemaError):
    """No Kafka broker answers; the same call may work later."""


class SchemaNotRegistered(SchemaError):
    """A schema that a service writes is not in the registry: run `attendance-schemas apply`."""


class ContractMismatch(SchemaError):
    """A topic or a registry differs from its files in a way that cannot be applied; nothing was changed."""
