"""The command `compare`: what the models that run side by side said about the same captures."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from attendance_schemas.codec import Codec
from attendance_schemas.events import MatchDecided
from attendance_schemas.topics import MATCHES, MATCHES_SHADOW, Topic
from recognition_worker.adapters.topics.kafka_snapshots import decoded
from recognition_worker.composition.answer import Answer
from recognition_worker.composition.kafka import connected
from recognition_worker.errors import EvaluationRefused
from recognition_worker.evaluation.adapters.comparison_report import (
    comparison_json,
    show_comparison,
    write_comparisons,
)
from recognition_worker.evaluation.domain.model_comparison import Comparison, compare
from recognition_worker.evaluation.pair_decisions import pairs
from service_kit.kafka.bounded_reading import records_of
from service_kit.settings import KafkaSettings


async def compare_models(since: datetime, out: Path | None) -> Answer:
    """Compare the decisions since an instant with what other models said in the shadow."""
    async with connected() as connection:
        decided = await _matches(connection.kafka, connection.codec, MATCHES, since)
        scored = await _matches(connection.kafka, connection.codec, MATCHES_SHADOW, since)
    comparisons = compare(pairs(decided, scored))
    if not comparisons:
        raise EvaluationRefused(
            f"no capture since {since.isoformat()} was seen by two models ({len(decided)} "
            f"decisions, {len(scored)} in the shadow): let a model run beside with `rollout shadow`, or look "
            "further back"
        )
    if out:
        write_comparisons(out, comparisons)
    found = [comparison_json(one) for one in comparisons]
    return Answer(lambda: _show(comparisons), lambda: {"since": since.isoformat(), "comparisons": found})


async def _matches(kafka: KafkaSettings, codec: Codec, topic: Topic, since: datetime) -> list[MatchDecided]:
    records = records_of(kafka, kafka.topic(topic.name), since=since)
    events = [await decoded(record, codec) async for record in records]
    return [event for event in events if isinstance(event, MatchDecided)]


def _show(comparisons: Sequence[Comparison]) -> None:
    for comparison in comparisons:
        show_comparison(comparison)
