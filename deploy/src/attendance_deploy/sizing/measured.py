"""What was measured, and where it is written: the calculation uses no other rate.

Each figure names its page and words that stand there; a test holds that they do. Rates are of one process on
one core, or, where the page says so, of two cores that everything shares.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measured:
    """A figure, the page that has it (from the root of the repository), and words of that page."""

    value: float
    page: str
    words: str


RECOGNITION = "docs/recognition/speed.md"
SEARCH = "docs/recognition/search.md"
GROWTH = "docs/operations/growth.md"
STARTS = "docs/operations/starts.md"
TOPICS_PAGE = "docs/operations/topics.md"
PROJECTION = "docs/attendance/speed.md"
SIZING = "docs/operations/sizing.md"

# Recognition: one worker process on one core, through Kafka and S3, 10,000 people, `openvino-int8`.
WORKER_CAPTURES_PER_SECOND = Measured(91.3, RECOGNITION, "(91.3 of 97.6)")
WORKER_PEOPLE = Measured(10_000, RECOGNITION, "10,000 people, medians of five backlogs of 320")
WORKER_MB = Measured(398, RECOGNITION, "| resident | 398 MB |")
# Milliseconds that a face takes in a batch; the other embedders differ from `openvino-int8` in these alone.
EMBED_MS: Mapping[str, Measured] = {
    "openvino-int8": Measured(5.6, RECOGNITION, "5.6 instead of 7.5 for each of 8 or 16"),
    "openvino": Measured(7.5, RECOGNITION, "5.6 instead of 7.5 for each of 8 or 16"),
    "deepface": Measured(1000 / 35, RECOGNITION, "| `deepface` | 35 | 35 | 35 |"),
}
# Milliseconds of a capture's search in a batch, by the people searched.
SEARCH_MS: Mapping[int, Measured] = {
    10_000: Measured(0.129, SEARCH, "| 10,000 | gallery | 0.311 | 0.67 | 0.129 |"),
    100_000: Measured(0.398, SEARCH, "| 100,000 | gallery | 2.34 | 1.58 | 0.398 |"),
    1_000_000: Measured(2.07, SEARCH, "| 1,000,000 | gallery | 19 | 1.89 | 2.07 |"),
}
GALLERY_KB_PER_PERSON = Measured(0.9, SEARCH, "a million people take about 0.9 GB per process")

# Views in memory, of ingest and of the workers.
DIRECTORY_RECORDS_PER_SECOND = Measured(31_000, STARTS, "| the directory of ingest | 65 | 31,000 |")
DIRECTORY_KB_PER_RECORD = Measured(1.3, STARTS, "(1.3 KB a record)")
DIRECTORY_RECORDS_PER_PERSON = Measured(
    3, STARTS, "A million people with a roster or two each are two to three million records"
)

# Projection: one process, beside Kafka and PostgreSQL on two cores.
LIVE_FACTS_PER_SECOND = Measured(2_900, GROWTH, "2,900 facts a second live")
REBUILD_FACTS_PER_SECOND = Measured(6_900, GROWTH, "6,900 a second in a rebuild with two processes")
RESTORE_MB_PER_SECOND = Measured(100, GROWTH, "At 100 MB/s a terabyte takes three hours")
PROJECTOR_MB = Measured(190, PROJECTION, "150 to 190 MB a service")
CAPTURE_BYTES = Measured(600, GROWTH, "| capture | 600 |")
PUNCH_BYTES = Measured(270, GROWTH, "| punch | 270 |")
DAY_BYTES = Measured(430, GROWTH, "| day | 430 |")
EXPLANATION_BYTES = Measured(1_830, GROWTH, "| its explanation | 1,830 |")
WAL_KB_PER_CAPTURE = Measured(4, GROWTH, "A live capture writes 4 KB of WAL")
DAYS_A_YEAR = Measured(250, GROWTH, "two captures a day on 250 days")

# The APIs: one process, by its own processor time, on a crowded machine.
INGEST_CAPTURES_PER_SECOND = Measured(138, SIZING, "| ingest, a capture | 138 a second | 7.3 ms | 122 MB |")
INGEST_MB = Measured(122, SIZING, "| ingest, a capture | 138 a second | 7.3 ms | 122 MB |")
QUERY_API_REQUESTS_PER_SECOND = Measured(243, SIZING, "| 243 a second | 4.1 ms | 108 MB |")
QUERY_API_MB = Measured(108, SIZING, "| 243 a second | 4.1 ms | 108 MB |")

# Partitions cannot be raised later.
PARTITIONS = Measured(48, TOPICS_PAGE, "48 partitions are enough for some 24 workers")
PARTITIONS_OF_A_MILLION = Measured(96, TOPICS_PAGE, "writes 96 into the files")
WORKERS_OF_THE_PARTITIONS = Measured(24, TOPICS_PAGE, "48 partitions are enough for some 24 workers")
