#!/bin/bash
# Let the worker of this host finish its tasks, for so many minutes, and stop it: drain COMPOSE-FOLDER MINUTES
set -euo pipefail
cd "$1"
# On SIGPWR Spark decommissions a worker: it gets no new tasks and finishes the running ones. Docker does
# not restart a container that was sent a signal through it, whatever its restart policy.
docker compose kill --signal SIGPWR spark-worker
end=$((SECONDS + $2 * 60))
while [ "$SECONDS" -lt "$end" ] && pgrep --full CoarseGrainedExecutorBackend >/dev/null; do
    sleep 2
done
docker compose stop spark-worker
