#!/bin/bash
# {{ ansible_managed }}
# The Hub's users and their homes, encrypted in the bucket:
#   backup save [--anew] | backup restore [KEY] | backup list
# As root of the host: no container may read all homes.
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
    # A new master with an empty Hub must not become the newest backup.
    [ -e "$known" ] || [ "${2:-}" = --anew ] || [ -z "$(object list "$folder")" ] \
        || fail "this host is new, and the bucket has backups: restore one first (ansible/restore.yml), or say backup save --anew"
    # A file that changes meanwhile is a warning (1), and no failed backup.
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
    [ -n "$key" ] || fail "there is no backup in the bucket"
    object get "$key" >"$archive.gpg"
    crypt --yes --output "$archive" --decrypt "$archive.gpg" \
        || fail "$key can't be decrypted: it is not of this cluster, or ansible/secrets/backup-key was lost"
    tar -tzf "$archive" >/dev/null
    docker compose stop jupyterhub
    trap 'docker compose up --detach --no-deps --wait jupyterhub; rm -rf "$GNUPGHOME" "$archive" "$archive.gpg"' EXIT
    tar -C "$volumes" --numeric-owner --acls -xzf "$archive"
    touch "$known"
    echo "$key"
    ;;
list) object list "$folder" ;;
*) fail "say: backup save, backup restore [KEY], or backup list" ;;
esac
