"""Which harm each round does: drawn from a seed, so that a run can be repeated. Pure."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

SERVICES: Final = ("recognition-worker", "attendance-projector", "ingest", "query-api")
GROUPS: Final = ("recognition-worker", "attendance-projector")
# Kafka first: it is on the way of everything. `ingest` is the door itself, between kiosk and service.
LINKS: Final = ("kafka", "postgres", "object-store", "valkey", "registry", "ingest")
SERVERS: Final = ("kafka", "kafka", "postgres", "object-store", "valkey")
# Each round has one of them for certain, by turns, and others by chance.
KINDS: Final = ("kill", "link", "server", "rebalance", "registry", "positions")
LOST_POSITIONS: Final = (
    ("recognition-worker", "positions forgotten by Kafka"),
    ("attendance-projector", "positions beyond the log"),
    ("attendance-projector", "positions of another topic"),
)
SHORTEST, LONGEST = 1.0, 4.0


@dataclass(frozen=True, slots=True)
class Harm:
    """One harm. `starts_after` and `lasts` in seconds; `how` says which form of the kind."""

    kind: str
    target: str
    how: str
    starts_after: float
    lasts: float
    attributes: dict[str, int] = field(default_factory=dict)
    stream: str = "downstream"

    def __str__(self) -> str:
        details = "".join(f" {name}={value}" for name, value in self.attributes.items())
        stream = f" {self.stream}" if self.attributes else ""
        return f"{self.how} {self.target}{stream}{details} for {self.lasts:.1f} s"


def rounds(seed: int, count: int) -> Iterator[list[Harm]]:
    """Draw the harm of each round: one of each kind by turns, with one or two more beside it."""
    rng = random.Random(seed)
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        # A service that starts while the registry is empty stops and asks for `apply`: none starts meanwhile.
        others = ("link",) if kind == "registry" else ("kill", "link", "link", "rebalance")
        kinds = [kind, *rng.choices(others, k=rng.randint(1, 2))]
        if kind == "positions":
            # An operator's commands meet whole servers: nothing else is harmed.
            yield [_lost_positions(number // len(KINDS), rng)]
        else:
            yield [_draw(kind, rng) for kind in kinds]


def _lost_positions(number: int, rng: random.Random) -> Harm:
    target, how = LOST_POSITIONS[number % len(LOST_POSITIONS)]
    return Harm("positions", target, how, rng.uniform(0, 1.5), rng.uniform(SHORTEST, LONGEST))


def failovers(seed: int, count: int) -> Iterator[list[Harm]]:
    """Draw a failover of PostgreSQL for each round; in three of four the standby is held back before."""
    rng = random.Random(seed)
    for number in range(count):
        how = "fail over at once" if number % 4 == 3 else "fail over to a standby held back"  # noqa: PLR2004
        yield [Harm("failover", "postgres", how, rng.uniform(0, 1), rng.uniform(SHORTEST, LONGEST))]


def _draw(kind: str, rng: random.Random) -> Harm:
    starts_after, lasts = rng.uniform(0, 1.5), rng.uniform(SHORTEST, LONGEST)
    match kind:
        case "kill":
            return Harm(kind, rng.choice(SERVICES), "kill -9", starts_after, lasts)
        case "server":
            return Harm(kind, rng.choice(SERVERS), rng.choice(("stop", "kill -9")), starts_after, lasts)
        case "registry":
            return Harm(kind, "registry", "lose and restore", starts_after, lasts)
        case "rebalance":
            how = rng.choice(("join and leave", "join and kill -9"))
            return Harm(kind, rng.choice(GROUPS), how, starts_after, lasts)
        case _:
            how, attributes = rng.choice(_toxics(rng))
            stream = rng.choice(("downstream", "upstream"))
            return Harm(kind, rng.choice(LINKS), how, starts_after, lasts, attributes, stream)


def _toxics(rng: random.Random) -> list[tuple[str, dict[str, int]]]:
    """Draw one of each toxic; `cut` has no attributes: the proxy hangs up and refuses."""
    return [
        ("cut", {}),
        ("reset_peer", {"timeout": rng.randint(0, 500)}),
        ("timeout", {"timeout": 0}),
        ("latency", {"latency": rng.randint(200, 1500), "jitter": rng.randint(0, 300)}),
        ("bandwidth", {"rate": rng.randint(5, 50)}),
        ("limit_data", {"bytes": rng.randint(500, 40_000)}),
    ]
