"""The commands about dead letters: `dlq list | show | diagnose | redrive | edit | discard`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from attendance_ops import options
from attendance_ops.console import Json, Yes, agreed, progress, run, say, say_json, table
from attendance_ops.dead_letters.letters import Letter, State, Which, groups, letters, places_of
from attendance_ops.dead_letters.settle import discard as put_away
from attendance_ops.dead_letters.settle import edit as edit_letter
from attendance_ops.dead_letters.settle import redrive as redrive_letters
from attendance_ops.log.selection import check_topic, where_of
from attendance_ops.log.targets import goes_again, target_of
from attendance_ops.log.times import shown, span
from attendance_ops.settings import Settings
from service_kit.command import ExitCode

Places = Annotated[list[str] | None, typer.Argument(help="Letters by place, as `dlq show` prints it.")]
OneTopic = Annotated[list[str] | None, typer.Option("--topic", help="Of this topic; may be repeated.")]
Label = Annotated[str | None, typer.Option("--label", help="With this wrong, as `dlq list` names it.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept on record.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]
States = Annotated[
    list[State] | None, typer.Option("--state", help="In this state; may be repeated. Default: waiting.")
]
dlq = typer.Typer(
    help="Dead letters: records that no service could handle.", no_args_is_help=True, rich_markup_mode=None
)


def _which(
    places: list[str] | None,
    topic: list[str] | None,
    label: str | None,
    where: list[str] | None,
    since: str | None,
    until: str | None,
    states: list[State] | None = None,
) -> Which:
    return Which(
        topics=tuple(map(check_topic, topic or [])),
        label=label,
        states=tuple(states or [State.WAITING]),
        places=places_of(places or []),
        selection={
            "since": options.instant(since),
            "until": options.instant(until),
            "where": where_of(where or []),
        },
    )


@dlq.command("list")
def list_groups(
    *,
    topic: OneTopic = None,
    label: Label = None,
    where: options.Where = None,
    since: options.Since = None,
    until: options.Until = None,
    as_json: Json = False,
) -> None:
    """Count dead letters by what is wrong, and say what helps."""

    async def work(settings: Settings) -> list[Any]:
        async with options.operating(settings) as operations:
            which = _which(None, topic, label, where, since, until, list(State))
            with progress("looking") as looked:
                return await groups(operations, which, datetime.now(UTC), looked)

    found = run(work)
    if as_json:
        say_json([each.as_json() for each in found])
        return
    if not found:
        say("no dead letters")
        return
    now = datetime.now(UTC)
    table(
        "Dead letters",
        ("topic", "wrong", "waiting", "last hour", "oldest", "redriven", "discarded"),
        [
            (
                each.topic.removeprefix("attendance."),
                each.rule.label,
                each.counts[State.WAITING],
                each.recent,
                "" if each.oldest is None else span(now - each.oldest),
                each.counts[State.REDRIVEN],
                each.counts[State.DISCARDED],
            )
            for each in found
        ],
        right="waiting redriven discarded",
    )
    say()
    for label_, advice in {
        each.rule.label: each.rule.advice for each in found if each.counts[State.WAITING]
    }.items():
        say(f"{label_}: {advice}")


@dlq.command()
def show(
    places: Places = None,
    *,
    topic: OneTopic = None,
    label: Label = None,
    where: options.Where = None,
    since: options.Since = None,
    until: options.Until = None,
    state: States = None,
    limit: Annotated[int, typer.Option(min=1, help="Show at most so many.")] = 20,
    as_json: Json = False,
) -> None:
    """Show dead letters one by one, and what became of them."""
    states = state or (list(State) if places else None)
    which = lambda: _which(places, topic, label, where, since, until, states)  # noqa: E731
    found = run(_collect(which, limit))
    if as_json:
        say_json([each.as_json() for each in found])
    for letter in [] if as_json else found:
        _show(letter)
    if not found:
        if not as_json:
            say("no such dead letter")
        raise typer.Exit(ExitCode.FAILED)


@dlq.command()
def diagnose(
    place: Annotated[str, typer.Argument(help="Place of a letter.")], *, as_json: Json = False
) -> None:
    """Say what is wrong with one, and which command helps."""
    (letter, *_) = _found(
        run(_collect(lambda: _which([place], None, None, None, None, None, list(State)), 1))
    )
    reads = letter.seen.problem is None
    topic = letter.seen.topic
    target = target_of(topic).name if goes_again(topic) else None
    if as_json:
        say_json({**letter.as_json(), "reads_now": reads, "target": target})
        return
    _show(letter)
    say(
        f"    {'reads as an event now' if reads else 'still cannot be read'}; "
        + (f"it would go to {target}" if target else "nothing of this topic is published again")
    )
    if letter.state is State.WAITING and target and reads:
        say(f"    once its cause is mended: attendance-ops dlq redrive {letter.place} --reason ...")
    elif letter.state is State.WAITING:
        say(f"    if nothing can be done: attendance-ops dlq discard {letter.place} --reason ...")


@dlq.command()
def redrive(
    places: Places = None,
    *,
    reason: Reason,
    topic: OneTopic = None,
    label: Label = None,
    where: options.Where = None,
    since: options.Since = None,
    until: options.Until = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many, the oldest first.")] = None,
    rate: Annotated[float, typer.Option(min=0.1, help="Records a second.")] = 100.0,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Send waiting ones again, once the cause is mended.

    Captures go to attendance.captures-backlog, behind live ones. What was applied before changes nothing.
    """
    which = lambda: _which(places, topic, label, where, since, until)  # noqa: E731
    found = _found(run(_collect(which, limit)))
    again = [each for each in found if goes_again(each.seen.topic)]
    targets = sorted({target_of(each.seen.topic).name for each in again})
    question = (
        f"Send {_counted(again)} to {', '.join(targets) or 'no topic'} again?{_better_discarded(again)}"
    )
    if dry_run:
        _tell({"would_send": len(again), "targets": targets}, question, as_json=as_json)
        return
    if not agreed(question, yes=yes):
        say("nothing was done")
        return

    async def work(settings: Settings) -> Any:
        async with options.operating(settings) as operations:
            with progress("sending", len(found)) as sent:
                return await redrive_letters(
                    operations, found, reason=reason, operator=settings.operator, rate=rate, progress=sent
                )

    done = run(work)
    told = {"job": str(done.job_id), "sent": len(done.sent), "left": dict(done.left)}
    _tell(told, f"{len(done.sent)} sent again by job {done.job_id}", as_json=as_json)
    for why, count in {} if as_json else done.left.items():
        say(f"{count} left waiting: {why}")
    if done.left:
        raise typer.Exit(ExitCode.FAILED)


@dlq.command()
def edit(
    place: Annotated[str, typer.Argument(help="Place of the letter.")],
    *,
    reason: Reason,
    change: Annotated[list[str], typer.Option("--set", help="FIELD=VALUE, or FIELD=null; may be repeated.")],
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Mend fields of one, and send it again.

    It is checked against its schema first.
    """
    (letter,) = _found(run(_collect(lambda: _which([place], None, None, None, None, None), 1)))
    question = f"Send {letter.place} again with {', '.join(change)}?"
    if dry_run or not agreed(question, yes=yes):
        _tell({"would_send": 1}, question if dry_run else "nothing was done", as_json=as_json)
        return

    async def work(settings: Settings) -> str:
        async with options.operating(settings) as operations:
            event = await edit_letter(
                operations, letter, where_of(change), reason=reason, operator=settings.operator
            )
        return type(event).__name__

    event_name = run(work)
    _tell({"sent": 1, "event": event_name}, f"{event_name} was sent again", as_json=as_json)


@dlq.command()
def discard(
    places: Places = None,
    *,
    reason: Reason,
    topic: OneTopic = None,
    label: Label = None,
    where: options.Where = None,
    since: options.Since = None,
    until: options.Until = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many, the oldest first.")] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Put waiting ones away, with a reason.

    They stay in the topic as long as it keeps them.
    """
    which = lambda: _which(places, topic, label, where, since, until)  # noqa: E731
    found = _found(run(_collect(which, limit)))
    question = f"Discard {_counted(found)}, because: {reason}?"
    if dry_run or not agreed(question, yes=yes):
        _tell({"would_discard": len(found)}, question if dry_run else "nothing was done", as_json=as_json)
        return

    async def work(settings: Settings) -> None:
        async with options.operating(settings) as operations:
            await put_away(operations, found, reason=reason, operator=settings.operator)

    run(work)
    _tell({"discarded": len(found)}, f"{len(found)} discarded", as_json=as_json)


def _collect(
    which: Callable[[], Which], limit: int | None
) -> Callable[[Settings], Coroutine[Any, Any, list[Letter]]]:
    async def work(settings: Settings) -> list[Letter]:
        found: list[Letter] = []
        async with options.operating(settings) as operations:
            with progress("looking") as looked:
                async with aclosing(letters(operations, which(), looked)) as reading:
                    async for letter in reading:
                        found.append(letter)
                        if len(found) == limit:
                            break
        return found

    return work


def _found(letters_: list[Letter]) -> list[Letter]:
    if not letters_:
        say("no such dead letter waits")
        raise typer.Exit(ExitCode.FAILED)
    return letters_


def _counted(found: list[Letter]) -> str:
    labels = sorted({letter.rule.label for letter in found})
    return f"{len(found)} dead letter{'' if len(found) == 1 else 's'} ({', '.join(labels)})"


def _better_discarded(found: list[Letter]) -> str:
    """Return a warning about letters that will come back."""
    labels = Counter(letter.rule.label for letter in found if letter.rule.comes_back)
    told = ", ".join(f"{count} {label}" for label, count in labels.items())
    return f" These will come back, so rather discard them: {told}." if told else ""


def _tell(value: dict[str, Any], sentence: str, *, as_json: bool) -> None:
    if as_json:
        say_json(value)
    else:
        say(sentence)


def _show(letter: Letter) -> None:
    seen = letter.seen
    say(f"{letter.place}  {shown(seen.record.timestamp)}  {letter.state.value}  {letter.rule.label}")
    if seen.origin is not None:
        say(f"    {seen.origin.reason}: {seen.headers.get('dlq-error', '')}")
        say(
            f"    {seen.origin.attempts} tries by {seen.origin.service} {seen.origin.version}, read from "
            f"{seen.origin.topic}:{seen.origin.partition}:{seen.origin.offset}"
        )
    told = {name: value for name, value in seen.fields.items() if not isinstance(value, dict | list)}
    say(
        f"    {seen.event or 'unreadable'} "
        + ", ".join(f"{name}={value}" for name, value in told.items() if value is not None)
    )
    if letter.settled is not None:
        say(f"    {letter.state.value} by {letter.settled.recorded_by}: {letter.settled.reason}")
    say(f"    {letter.rule.advice}")
