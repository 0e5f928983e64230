"""How often Python looks for cycles among objects: rarely, since work here makes many and none in cycles.

A batch is tens of thousands of records, events and rows that all live until it is done, and what a service
loads at its start lives to the end. By default the collector looks at all of them again and again: a seventh
of the projector's time, a twentieth of the worker's.
"""

import gc


def leave_alone() -> None:
    """Leave what is loaded until now alone for ever; while much is loaded, call it again and again.

    It costs next to nothing. Looking at all that a view of two million records has loaded takes seconds.
    """
    gc.freeze()


def collect_rarely(young_objects: int = 50_000) -> None:
    """Leave what is loaded alone for ever, and look at new objects only when there are so many."""
    leave_alone()
    gc.set_threshold(young_objects, 50, 100)
