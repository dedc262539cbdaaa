#!/usr/bin/env bash
# Called by `make tunnel`: opens the cluster's web pages on this machine through SSH, until Ctrl-C.
# tunnel.sh [INVENTORY]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
hub=${HUB_PORT:-8000} master=${MASTER_PORT:-8080} history=${HISTORY_PORT:-18080}
if ! said=$(ansible-playbook ${1:+-i "$1"} ansible/tunnel.yml 2>&1); then
    echo "$said" >&2
    exit 2
fi
cat <<TEXT
JupyterHub      http://127.0.0.1:$hub    passwords, if it asks for one, are in ansible/secrets/NAME
Spark master    http://127.0.0.1:$master
Spark history   http://127.0.0.1:$history
Press Ctrl-C to close the tunnel.
TEXT
exec ssh -F ansible/secrets/ssh_config -N -o ExitOnForwardFailure=yes -o ServerAliveInterval=30 \
    -L "127.0.0.1:$hub:127.0.0.1:8000" \
    -L "127.0.0.1:$master:127.0.0.1:8080" \
    -L "127.0.0.1:$history:127.0.0.1:18080" master
