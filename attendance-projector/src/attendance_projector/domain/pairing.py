"""Punches to ins, outs and closed pairs, by alternation or by the direction that the device gave.

A forgotten punch stays in its own day: pairs are made within one attendance day only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from attendance_projector.domain.explanation import Explanation, Rule
from attendance_projector.domain.facts import Direction, PairingMode, Punch, PunchId, ShiftVersion


class Missing(StrEnum):
    """What a person forgot to punch."""

    IN = "in"
    OUT = "out"


@dataclass(frozen=True, slots=True)
class Pairing:
    """Ins and outs of a day in order. `open_in` is the in that nothing closed yet; `unused` serve no time."""

    ins: tuple[Punch, ...]
    outs: tuple[Punch, ...]
    pairs: tuple[tuple[Punch, Punch], ...]
    open_in: Punch | None
    missing: Missing | None
    unused: frozenset[PunchId]
    explanation: tuple[Explanation, ...]


def pair_punches(punches: Sequence[Punch], shift: ShiftVersion) -> Pairing:
    """Pair counted, ordered punches the way the shift says."""
    if shift.pairing is PairingMode.DIRECTED:
        return directed_pairing(punches)
    return alternating_pairing(punches)


def alternating_pairing(punches: Sequence[Punch]) -> Pairing:
    """Take the first punch as in, the second as out, and so on; directions are not looked at."""
    ins, outs = tuple(punches[::2]), tuple(punches[1::2])
    is_odd = len(ins) > len(outs)
    explanation = [
        Explanation(Rule.ALTERNATING, punch.punch_id, f"punch {number} is an {'in' if number % 2 else 'out'}")
        for number, punch in enumerate(punches, start=1)
    ]
    return Pairing(
        ins=ins,
        outs=outs,
        pairs=tuple(zip(ins, outs, strict=False)),
        open_in=ins[-1] if is_odd else None,
        missing=Missing.OUT if is_odd else None,
        unused=frozenset(),
        explanation=tuple(explanation),
    )


def directed_pairing(punches: Sequence[Punch]) -> Pairing:
    """Take in and out as given; a punch without direction closes an open in, or else is an in.

    An out before any in counts for no time. An in after an in does not close the first, which stays open. An
    out after an out closes no pair, but can be the last out. An in without an out makes `missing` out, an out
    without an in makes it in; out wins when both happened.
    """
    state = _DirectedPairing([], [], [], None, [], False, False, set())
    for punch in punches:
        direction = punch.direction or (Direction.OUT if state.open_in else Direction.IN)
        if direction is Direction.IN:
            state.take_in(punch)
        else:
            state.take_out(punch)
    no_out = state.has_surplus_in or state.open_in is not None
    return Pairing(
        ins=tuple(state.ins),
        outs=tuple(state.outs),
        pairs=tuple(state.pairs),
        open_in=state.open_in,
        missing=Missing.OUT if no_out else Missing.IN if state.has_surplus_out else None,
        unused=frozenset(state.unused),
        explanation=tuple(state.explanation),
    )


@dataclass(slots=True)
class _DirectedPairing:
    """What is known after the punches seen so far."""

    ins: list[Punch]
    outs: list[Punch]
    pairs: list[tuple[Punch, Punch]]
    open_in: Punch | None
    explanation: list[Explanation]
    has_surplus_in: bool
    has_surplus_out: bool
    unused: set[PunchId]

    def take_in(self, punch: Punch) -> None:
        if self.open_in is None:
            self.ins.append(punch)
            self.open_in = punch
            self._explain(punch, "an in")
        else:
            self.has_surplus_in = True
            self.unused.add(punch.punch_id)
            self._explain(punch, f"an in after in {self.open_in.punch_id}, which stays open; not used")

    def take_out(self, punch: Punch) -> None:
        self.outs.append(punch)
        if self.open_in is not None:
            self.pairs.append((self.open_in, punch))
            self._explain(punch, f"an out that closes in {self.open_in.punch_id}")
            self.open_in = None
            return
        self.has_surplus_out = True
        if self.ins:
            self._explain(punch, "an out after an out; it closes no pair")
        else:
            self.unused.add(punch.punch_id)
            self._explain(punch, "an out before any in; not used for time")

    def _explain(self, punch: Punch, text: str) -> None:
        self.explanation.append(Explanation(Rule.DIRECTED, punch.punch_id, text))
