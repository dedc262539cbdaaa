#!/bin/bash
# {{ ansible_managed }}
# The Hub's users and their homes, in the bucket: backup save, backup restore [KEY], backup list
# As root of the host: no container may read all homes.
set -euo pipefail
cd {{ home }}/compose
folder=backups/
volumes=/var/lib/docker/volumes
object() { docker compose exec -T jupyterhub bucket-object "$@"; }

case "${1:-}" in
save)
    key=$folder$(date -u +%Y-%m-%dT%H%M%SZ).tar.gz
    # A file that changes meanwhile is not a failed backup: tar's 1 is a warning.
    { tar -C "$volumes" --numeric-owner --acls --warning=no-file-changed -cz \
        --exclude=.upload-* --exclude=.cache --exclude=.jupyter-run \
        fruits_homes/_data fruits_hub/_data/users || [ $? = 1 ]; } | object put "$key"
    echo "$key"
    ;;
restore)
    key=${2:-$(object list "$folder" | sort | tail -n 1)}
    [ -n "$key" ] || { echo "there is no backup in the bucket" >&2; exit 2; }
    archive=$(mktemp -p /var/tmp)
    trap 'rm -f "$archive"' EXIT
    object get "$key" >"$archive"
    gzip --test "$archive"
    docker compose stop jupyterhub
    tar -C "$volumes" --numeric-owner --acls -xzf "$archive"
    docker compose up --detach --no-deps --wait jupyterhub
    echo "$key"
    ;;
list) object list "$folder" ;;
*) echo "say: backup save, backup restore [KEY], or backup list" >&2; exit 2 ;;
esac
