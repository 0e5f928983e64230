"""Every request under /v1 is counted with its outcome, timed, and logged when it is refused."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from starlette.requests import ClientDisconnect

from ingest.http.problems import ANSWERS
from ingest.metrics import IngestMetrics
from service_kit.errors import TransientFailure
from service_kit.http.problems import answer_to
from service_kit.observing.logs import get_logger

UNAVAILABLE = 503

log = get_logger(__name__)


@dataclass(slots=True)
class Measured:
    """How a request ended; "failed" until something else is known."""

    outcome: str = "failed"


@contextmanager
def measured(metrics: IngestMetrics, operation: str) -> Iterator[Measured]:
    """Count a request by how the block ends; the block says "accepted" or "resent" when it went well.

    A sender who hangs up before the end of the request was not refused.
    """
    started = time.perf_counter()
    result = Measured()
    try:
        yield result
        metrics.acknowledged_seconds.labels(operation).observe(time.perf_counter() - started)
    except ClientDisconnect:
        result.outcome = "aborted"
        raise
    except Exception as error:
        problem = answer_to(error, ANSWERS)
        if problem is not None:
            result.outcome = "unavailable" if problem.status == UNAVAILABLE else "refused"
            metrics.refusals.labels(problem.type).inc()
            # Of what an outage refuses one line a minute is written; who sends again is in the metrics.
            waits = {"dependency": error.dependency} if isinstance(error, TransientFailure) else {}
            log.warning("refused", operation=operation, status=problem.status, reason=str(error), **waits)
        raise
    finally:
        metrics.requests.labels(operation, result.outcome).inc()
