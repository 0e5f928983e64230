"""`attendance-deploy sizing`: from people to partitions, processes, disks and what costs follow."""

import json
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

import typer

from attendance_deploy.sizing.capacity import size
from attendance_deploy.sizing.show import Row, cost_rows, rows
from attendance_deploy.sizing.site import SECONDS_PER_PERSON, Site


class Embedder(StrEnum):
    """What computes embeddings; of a GPU no rate is known: measure it, and give it as --worker-rate."""

    OPENVINO_INT8 = "openvino-int8"
    OPENVINO = "openvino"
    DEEPFACE = "deepface"


def sizing(
    people: Annotated[int, typer.Option(min=1, help="People who are captured.")],
    kiosks: Annotated[
        int | None, typer.Option(min=1, help="Kiosks and cameras; else as many as are needed.")
    ] = None,
    peak_minutes: Annotated[
        float, typer.Option(min=1, help="Within these, everybody is captured once.")
    ] = 30,
    captures_a_day: Annotated[
        float, typer.Option(min=0.1, help="Captures of a person on a working day.")
    ] = 2,
    image_kb: Annotated[float, typer.Option(min=1, help="Size of an image.")] = 100,
    embedder: Annotated[Embedder, typer.Option(help="What computes embeddings.")] = Embedder.OPENVINO_INT8,
    worker_rate: Annotated[
        float | None,
        typer.Option(
            min=0.1, help="Captures a second of one worker that you measured, on a GPU for example."
        ),
    ] = None,
    seconds_per_person: Annotated[
        float, typer.Option(min=0.5, help="Time of one person before a kiosk.")
    ] = SECONDS_PER_PERSON,
    years: Annotated[float, typer.Option(min=0.1, help="Years of tables that are kept.")] = 1,
    image_days: Annotated[int, typer.Option(min=62, help="Days for which images are kept.")] = 400,
    cold_after_days: Annotated[int, typer.Option(min=1, help="Days after which images become cold.")] = 30,
    replicas: Annotated[int, typer.Option(min=0, help="Replicas of PostgreSQL.")] = 1,
    cells: Annotated[
        int | None, typer.Option(min=1, help="Installations; else as many as are needed.")
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Say how large an installation must be, by measured rates and half as much again."""
    found = size(
        Site(
            people=people,
            kiosks=kiosks,
            peak_minutes=peak_minutes,
            captures_a_day=captures_a_day,
            image_kb=image_kb,
            embedder=embedder.value,
            worker_rate=worker_rate,
            seconds_per_person=seconds_per_person,
            years=years,
            image_days=image_days,
            cold_after_days=cold_after_days,
            replicas=replicas,
            cells=cells,
        )
    )
    if as_json:
        typer.echo(json.dumps(asdict(found), indent=2))
        return
    _print("needed", list(rows(found)))
    _print("costs follow", list(cost_rows(found)))
    for note in found.notes:
        typer.echo(f"note: {note}")


def _print(title: str, lines: list[Row]) -> None:
    width = max(len(name) for name, _ in lines)
    typer.echo(f"{title}:")
    for name, value in lines:
        typer.echo(f"  {name:<{width}}  {value}")
