"""Whether an authority reaches a place. Facts say both, so the answer is the same whenever it is asked.

A person is where their home was when the fact was accepted. An unknown home lies outside every limit.
"""

from collections.abc import Collection


def covers(sites: Collection[str] | None, *places: str | None) -> bool:
    """Say whether an authority for these sites (None: for all) reaches every one of the places."""
    return sites is None or all(place in sites for place in places)
