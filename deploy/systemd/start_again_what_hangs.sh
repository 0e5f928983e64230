#!/usr/bin/env bash
# Asks each service that is up whether it lives: three times, 10 s apart. One that says no, or nothing, is
# started again. A server that is away is no reason: services live on and say that they are not ready.
set -euo pipefail

lives() {
  curl --silent --fail --output /dev/null --max-time 5 --retry 2 --retry-delay 10 --retry-all-errors \
    "http://127.0.0.1:$1/health/live"
}

declare -A ports=([ingest]=8001 [query-api]=8002 [attendance-projector]=8003 [attendance-feed]=8004)
for worker in {1..9}; do ports[recognition-worker@$worker]=801$worker; done

for unit in "${!ports[@]}"; do
  if systemctl --quiet is-active "$unit" && ! lives "${ports[$unit]}"; then
    echo "$unit is up and does not live: starting it again"
    systemctl restart "$unit"
  fi
done
