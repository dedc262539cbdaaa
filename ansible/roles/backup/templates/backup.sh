#!/bin/bash
# {{ ansible_managed }}
# Back up the Hub's users and their home directories, encrypted, to the bucket, or restore them:
#   backup save [--anew] | backup restore [KEY] | backup list
# Runs as root on the host, because no container may read all home directories.
set -euo pipefail
cd {{ home }}/compose
folder=backups/
volumes=/var/lib/docker/volumes
known={{ home }}/backed-up
GNUPGHOME=$(mktemp -d)
archive=$(mktemp -p /var/tmp)
export GNUPGHOME
trap 'rm -rf "$GNUPGHOME" "$archive" "$archive.gpg"' EXIT
object() { docker compose exec -T jupyterhub bucket-object "$@"; }
crypt() { gpg --batch --quiet --pinentry-mode loopback --passphrase-file {{ home }}/secrets/backup "$@"; }
fail() { echo "$*" >&2; exit 2; }

case "${1:-}" in
save)
    # The empty Hub of a new master must not become the newest backup.
    [ -e "$known" ] || [ "${2:-}" = --anew ] || [ -z "$(object list "$folder")" ] \
        || fail "this host is new, but the bucket has backups: restore one first (ansible/restore.yml), or run \`backup save --anew\`"
    # If a file changes during the backup, tar exits with 1: a warning, not a failure.
    tar -C "$volumes" --numeric-owner --acls --warning=no-file-changed -czf "$archive" \
        --exclude=.upload-* --exclude=.cache --exclude=.jupyter-run \
        fruits_homes/_data fruits_hub/_data/users || [ $? = 1 ]
    crypt --symmetric --cipher-algo AES256 --output "$archive.gpg" "$archive"
    key=$folder$(date -u +%Y-%m-%dT%H%M%SZ).tar.gz.gpg
    object put "$key" <"$archive.gpg"
    touch "$known"
    echo "$key"
    ;;
restore)
    key=${2:-$(object list "$folder" | sort | tail -n 1)}
    [ -n "$key" ] || fail "the bucket has no backup: make one with \`backup save\`"
    object get "$key" >"$archive.gpg"
    crypt --yes --output "$archive" --decrypt "$archive.gpg" \
        || fail "can't decrypt $key: it belongs to another cluster, or its key was lost; restore ansible/secrets/backup-key"
    tar -tzf "$archive" >/dev/null
    docker compose stop jupyterhub
    trap 'docker compose up --detach --no-deps --wait jupyterhub; rm -rf "$GNUPGHOME" "$archive" "$archive.gpg"' EXIT
    tar -C "$volumes" --numeric-owner --acls -xzf "$archive"
    touch "$known"
    echo "$key"
    ;;
list) object list "$folder" ;;
*) fail "usage: backup save [--anew] | restore [KEY] | list" ;;
esac
