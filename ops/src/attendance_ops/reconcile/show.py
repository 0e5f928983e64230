"""What the command prints of a look."""

from __future__ import annotations

from typing import Any

from attendance_ops.console import say
from attendance_ops.log.times import shown
from attendance_ops.reconcile.examine import Example, Look
from attendance_ops.reconcile.findings import FINDINGS
from attendance_ops.reconcile.repair import Repair


def show_look(look: Look) -> None:
    """Print a look for people."""
    window = look.window
    say(
        f"{shown(window.since)} to {shown(window.until)}: {look.facts:,} facts, {look.records:,} records, "
        f"{look.objects:,} objects listed, in {look.seconds:.1f} s"
    )
    for name, finding in FINDINGS.items():
        if count := look.counts[name]:
            say(f"{name}: {count:,}")
            say(f"  {finding.words}")
            for example in look.examples[name]:
                say(f"    {_line(example)}")
            if count > len(look.examples[name]):
                say(f"    and {count - len(look.examples[name]):,} more")
            say(f"  {finding.repair}")
    if look.on_their_way:
        say(f"{look.on_their_way:,} on their way: not read yet, or younger than the grace; not judged")
    if look.unreadable:
        say(f"{look.unreadable:,} records cannot be read: attendance-ops dlq list")
    if not any(look.counts.values()):
        say("everything agrees")


def _line(example: Example) -> str:
    parts = [
        example.kind,
        example.fact_id,
        f"of {example.org_id}" if example.org_id else None,
        example.detail,
    ]
    line = " ".join(str(part) for part in parts if part is not None)
    line += "" if example.at is None else f", {shown(example.at)}"
    return line + (f", published again {example.attempts} times before" if example.attempts else "")


def look_as_json(look: Look) -> dict[str, Any]:
    """Return a look for scripts."""
    window = look.window
    return {
        "from": window.since.isoformat(),
        "to": window.until.isoformat(),
        "facts": look.facts,
        "records": look.records,
        "objects": look.objects,
        "unreadable_records": look.unreadable,
        "on_their_way": look.on_their_way,
        "seconds": round(look.seconds, 2),
        "ledger_bytes": look.ledger_bytes,
        "findings": [
            {
                "kind": name,
                "count": look.counts[name],
                "meaning": finding.words,
                "repair": finding.repair,
                "examples": [_example_as_json(each) for each in look.examples[name]],
            }
            for name, finding in FINDINGS.items()
            if look.counts[name]
        ],
    }


def _example_as_json(example: Example) -> dict[str, Any]:
    return {
        "org": example.org_id,
        "id": None if example.fact_id is None else str(example.fact_id),
        "event": example.kind,
        "at": None if example.at is None else example.at.isoformat(),
        "detail": example.detail,
        "published_again": example.attempts,
    }


def show_repair(repair: Repair) -> None:
    """Print what a repair did."""
    say(f"{repair.published:,} events published again, by job {repair.job_id}")
    if repair.gone_round:
        say(f"{repair.gone_round:,} left: they went round too often; attendance-ops trace says what became")
    if repair.without_acceptance:
        say(f"{repair.without_acceptance:,} left: what they were accepted as is gone from the object store")
    if repair.stopped_by:
        say(f"stopped by {repair.stopped_by}; the same command goes on")


def repair_as_json(repair: Repair, *, is_read: bool) -> dict[str, Any]:
    """Return a repair for scripts; is_read: whether the services have read all of it."""
    return {
        "job": str(repair.job_id),
        "published": repair.published,
        "gone_round": repair.gone_round,
        "without_acceptance": repair.without_acceptance,
        "stopped_by": repair.stopped_by,
        "is_read": is_read,
    }
