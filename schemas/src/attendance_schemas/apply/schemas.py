"""The registry's part of `apply`: every text under its id, each event's schema under its subjects."""

import json
from collections.abc import Iterable

from attendance_schemas.apply.plan import Plan
from attendance_schemas.codec import NAMESPACE, subject_of
from attendance_schemas.errors import SchemaNotRegistered
from attendance_schemas.events import EVENT_BY_NAME
from attendance_schemas.registry import SchemaRegistry
from attendance_schemas.schema_files import id_of_text, one_line, registered_texts, schema_text
from attendance_schemas.topics import Topic

RESTORE = (
    "give this installation a registry of its own, or empty it, and apply again: all schemas are put back"
)


async def plan_schemas(registry: SchemaRegistry, topics: Iterable[Topic], prefix: str, plan: Plan) -> None:
    """Add to the plan what the registry lacks, and to its refusals what it has otherwise."""
    plan.refused += [
        f"the schema of {name} has no id; run `attendance-schemas number`"
        for name in EVENT_BY_NAME
        if id_of_text(schema_text(name)) not in registered_texts()
    ]
    for identity, text in registered_texts().items():
        try:
            found = one_line(await registry.schema_by_id(identity))
        except SchemaNotRegistered:
            plan.imports[identity] = text
        else:
            if found != text:
                plan.refused.append(f"the registry has another schema under id {identity}; {RESTORE}")
        # Asked of each, for an `apply` that was killed has put texts in, and nothing under a subject.
        if await registry.found_id(archive_of(text), text) is None:
            plan.archive[identity] = text
    for topic in topics:
        for name in topic.events:
            subject, identity = subject_of(prefix + topic.name, name), id_of_text(schema_text(name))
            found_id = await registry.found_id(subject, schema_text(name))
            if found_id is None:
                plan.subjects[subject] = name
            elif found_id != identity:
                plan.refused.append(f"{subject} is registered under id {found_id}, not {identity}; {RESTORE}")
            if await registry.compatibility_of(subject) != topic.compatibility:
                plan.rules[subject] = topic.compatibility


async def register(registry: SchemaRegistry, plan: Plan) -> None:
    """Do what the plan says of schemas. Raises SchemaError."""
    if plan.imports:
        await registry.import_texts(plan.imports)
    # Apicurio may remove what lies under no subject: one for each event holds its texts of all times.
    for text in plan.archive.values():
        await registry.register(archive_of(text), text)
    for subject, name in plan.subjects.items():
        await registry.register(subject, schema_text(name))
    for subject, rule in plan.rules.items():
        await registry.set_compatibility(subject, rule)


def archive_of(text: str) -> str:
    """Return the subject that holds every text of an event, of all times and topics."""
    return f"{NAMESPACE}.{json.loads(text)['name']}"
