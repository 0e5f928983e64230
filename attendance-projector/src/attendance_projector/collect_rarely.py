"""How often Python looks for cycles among the objects of a batch: rarely, since a batch makes none.

A batch is tens of thousands of records, events, days and rows that all live until its commit. By default the
collector looks at all of them again and again while they are made: a seventh of the time.
"""

import gc

YOUNG_OBJECTS = 50_000


def collect_rarely() -> None:
    """Leave what is loaded alone for ever, and look at new objects only when there are many."""
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 50, 100)
