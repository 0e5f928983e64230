"""Several processes of one service behind one port, supervised by gunicorn; each is all that one is alone.

gunicorn forks them from a process that serves nothing, gives them the one socket, starts one again that was
killed, and passes signals on. A worker that ends with an error ends them all: whoever supervises this process
waits before it starts it again, which gunicorn does not. Health and metrics are those of all workers
(`http.siblings`).
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger
from gunicorn.workers.base import Worker as GunicornWorker

from service_kit.http.serve import listen
from service_kit.http.siblings import Worker, become

# More than any service gives its requests to end.
STOPS_WITHIN = timedelta(seconds=150)
LOOKS_EVERY = timedelta(seconds=1)
# With these codes of a worker gunicorn ends, and starts nothing again; before them, what they say.
ENDS_ALL = {1: Arbiter.WORKER_BOOT_ERROR, 2: Arbiter.APP_LOAD_ERROR}


def supervise(count: int, host: str, port: int, work: Callable[[], int]) -> int:
    """Run `work` in so many processes until a signal says stop; return its code of an error, else 0.

    Raises:
        CannotListen: the port is taken, or this machine has no such address.
    """
    supervisor, listening = os.getpid(), listen(host, port)
    with _shared_folder() as folder:

        class ServiceWorker(GunicornWorker):  # type: ignore[misc]
            """Runs the service where gunicorn would run an app."""

            slot = 0

            def load_wsgi(self) -> None:
                become(Worker(self.slot, count, listening, folder))

            def run(self) -> None:
                threading.Thread(target=_stop_without, args=(supervisor,), daemon=True).start()
                code = work()
                sys.exit(ENDS_ALL.get(code, code))

        def take_slot(arbiter: Arbiter, worker: ServiceWorker) -> None:
            taken = {each.slot for each in arbiter.WORKERS.values()}
            worker.slot = next(number for number in range(count) if number not in taken)

        options = {
            "bind": f"fd://{listening.dup().detach()}",  # it closes the one that it is given
            "workers": count,
            "worker_class": ServiceWorker,
            "pre_fork": take_slot,
            "when_ready": _stop_gently,
            "timeout": 0,  # a worker has a watchdog of its own, and tells of it by its health
            "graceful_timeout": round(STOPS_WITHIN.total_seconds()),
            "logger_class": _Log,
            "control_socket_disable": True,
        }
        try:
            _Supervisor(options).run()
        except SystemExit as ended:
            if os.getpid() != supervisor:  # a worker ends with its own code
                raise
            codes = {code: of_worker for of_worker, code in ENDS_ALL.items()}
            return 0 if not ended.code else codes.get(ended.code, 1)
        finally:
            listening.close()
    return 0


def _stop_without(supervisor: int) -> None:
    """Stop this worker when its supervisor was killed: nobody else would, and it would keep the port."""
    while os.getppid() == supervisor:
        time.sleep(LOOKS_EVERY.total_seconds())
    os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def _shared_folder() -> Iterator[Path]:
    """Give a folder that goes with the process that made it; workers, which end here too, leave it."""
    maker, folder = os.getpid(), Path(tempfile.mkdtemp(prefix="workers-"))
    try:
        yield folder
    finally:
        if os.getpid() == maker:
            shutil.rmtree(folder, ignore_errors=True)


def _stop_gently(_arbiter: Arbiter) -> None:
    """Let Ctrl-C mean what SIGTERM means; gunicorn's quick stop would cut requests off."""
    signal.signal(signal.SIGINT, lambda *_: os.kill(os.getpid(), signal.SIGTERM))


class _Log(Logger):  # type: ignore[misc]
    """gunicorn's log goes where all of this process goes, in the same form."""

    def setup(self, cfg: Any) -> None:
        self.cfg = cfg
        self._access_log_enabled = False
        self.error_log.propagate = True
        self.error_log.setLevel(logging.WARNING)


class _Supervisor(BaseApplication):  # type: ignore[misc]
    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> None:
        """Load nothing: a worker runs the service itself."""
