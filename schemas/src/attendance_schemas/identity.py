"""Ids that a repetition of the same work finds again: UUIDv5 of what the work was about."""

from uuid import UUID, uuid5

# UUIDv5 of the URL namespace and "https://attendance.example/ids"; part of the contract, never changes.
NAMESPACE = UUID("a5d8af2e-7bf1-57d9-90a1-dfdd2f72e7f0")


def deterministic_id(kind: str, *parts: object) -> UUID:
    """Return the id of a thing of this kind about these parts: ("MatchDecided", capture_id, version, 0)."""
    return uuid5(NAMESPACE, "\x1f".join([kind, *map(str, parts)]))
