"""What somebody plans: people, kiosks, the time in which everybody comes, and what is kept.

Defaults are assumptions about a site, not measurements. Each is an option of the command.
"""

from dataclasses import dataclass

# A person stands before a kiosk for so long: walks up, is seen, reads the answer, leaves.
SECONDS_PER_PERSON = 6.0
# From here on one machine is one too few: its repair would take longer than people wait at a door.
SMALLEST_CLUSTER = 10_000


@dataclass(frozen=True, slots=True)
class Site:
    """An installation as it is planned; None lets the calculation choose.

    peak_minutes: within these, everybody is captured once. worker_rate: captures a second of one worker
    process, measured on other hardware, a GPU for instance; None: what `embedder` did where it was measured.
    years: of tables that are kept, and that a rebuild computes again.
    """

    people: int
    kiosks: int | None = None
    peak_minutes: float = 30.0
    captures_a_day: float = 2.0
    image_kb: float = 100.0
    embedder: str = "openvino-int8"
    worker_rate: float | None = None
    seconds_per_person: float = SECONDS_PER_PERSON
    years: float = 1.0
    image_days: int = 400
    cold_after_days: int = 30
    replicas: int = 1
    cells: int | None = None

    @property
    def on_one_machine(self) -> bool:
        """Whether Compose on one machine carries it."""
        return self.people < SMALLEST_CLUSTER

    @property
    def peak_captures_per_second(self) -> float:
        """How many captures come in a second while everybody comes."""
        return self.people / (self.peak_minutes * 60)
