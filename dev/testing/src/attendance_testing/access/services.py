"""The services of an installation as processes, each with the variables of its identity alone."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from attendance_demo.deployment import Service
from attendance_testing.access.installation import Installation, bare_environ
from local_stack.running.ports import free_port

COMMANDS = {
    "ingest": ("ingest",),
    "query-api": ("query_api",),
    "recognition-worker": ("recognition_worker", "run"),
    "attendance-projector": ("attendance_projector", "run"),
    "attendance-feed": ("attendance_projector", "feed"),
}


@contextmanager
def serving(installation: Installation, logs: Path) -> Iterator[dict[str, Service]]:
    """Start one of each service, wait until all are ready, and stop them afterwards."""
    logs.mkdir(parents=True, exist_ok=True)
    ports = {name: free_port() for name in COMMANDS}
    own = {
        "ingest": {"INGEST_QUERY_API_URL": f"http://127.0.0.1:{ports['query-api']}"},
        "attendance-projector": {"ATTENDANCE_PROJECTOR_FEED_CHANGES": "false"},
    }
    with ExitStack() as stack:
        services = {}
        for name, command in COMMANDS.items():
            prefix = installation.permissions.service_of(name).upper().replace("-", "_")
            environ = {
                **bare_environ(),
                **installation.environ_of(name),
                **own.get(name, {}),
                f"{prefix}_PORT": str(ports[name]),
            }
            log = logs / f"{name}.log"
            with log.open("wb") as output:
                process = subprocess.Popen(
                    [sys.executable, "-m", *command], env=environ, stdout=output, stderr=output
                )
            services[name] = Service(name, ports[name], log, process)
            stack.callback(services[name].stop)
        for service in services.values():
            service.wait_ready()
        yield services
