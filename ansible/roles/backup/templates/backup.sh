#!/bin/bash
# {{ ansible_managed }}
# Back up the Hub's users and their home directories, encrypted, to the bucket, or restore them:
#   backup save [--anew] | backup restore [KEY] | backup list
# Runs as root on the host, because no container may read all home directories. Exit code 2: don't try again.
set -euo pipefail
folder={{ backup_folder }}
volumes={{ backup_volumes }}
known={{ home }}/backed-up

# A backup must not contain a restore that is half done.
if [[ "${1:-}" =~ ^(save|restore)$ && -z "${BACKUP_LOCKED:-}" ]]; then
    code=0
    BACKUP_LOCKED=1 flock --close --timeout {{ backup_lock_seconds }} --conflict-exit-code 75 "$known.lock" "$0" "$@" || code=$?
    [ "$code" != 75 ] || echo "another backup or restore is running: run this again when it has ended (\`sudo systemctl status fruits-backup\` shows the nightly one)" >&2
    exit "$code"
fi
cd {{ home }}/compose
GNUPGHOME=$(mktemp -d)
export GNUPGHOME
trap 'rm -rf "$GNUPGHOME"' EXIT
object() { docker compose exec -T jupyterhub bucket-object "$@"; }
passphrase={{ home }}/secrets/backup
crypt() { gpg --batch --quiet --pinentry-mode loopback --passphrase-file "$passphrase" "$@"; }
fail() { echo "$*" >&2; exit 1; }
refuse() { echo "$*" >&2; exit 2; }

# Docker starts the containers after a boot, but not at once.
wait_for_hub() {
    local end=$((SECONDS + {{ backup_wait_seconds }}))
    until docker compose exec -T jupyterhub true </dev/null 2>/dev/null; do
        [ "$SECONDS" -lt "$end" ] || fail "the Hub's container is not running: \`sudo docker compose --project-directory {{ home }}/compose ps --all\` shows its state"
        sleep 2
    done
}

# This cluster's backups, oldest first, or, if there are none, those of earlier versions, which kept them in
# backups/ itself. Users of the Hub can write to this folder: objects with other names, or with a time that
# has not come yet, are not backups.
backups() {
    local all own name='[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{6}Z[.]tar[.]gz[.]gpg'
    all=$(object list backups/ </dev/null) || return
    all=$(awk -F/ -v now="$(date -u +%Y-%m-%dT%H%M%SZ).z" '$NF <= now' <<<"$all")
    own=$(grep -xE "$folder$name" <<<"$all" || grep -xE "backups/$name" <<<"$all" || true)
    [ -z "$own" ] || sort <<<"$own"
}

# If a file changes during the backup, tar exits with 1: a warning, not a failure.
archive() {
    tar -C "$volumes" --numeric-owner --acls --warning=no-file-changed -czf - \
        --exclude=.upload-* --exclude=.cache --exclude=.jupyter-run \
        fruits_homes/_data fruits_hub/_data/users || [ $? = 1 ]
}

contents() { object get "$1" </dev/null | crypt --decrypt; }

# Chooses the key that reads a backup: the present one, or one that ansible/rotate.yml has replaced, newest first.
find_key() {
    if contents "$1" 2>"$GNUPGHOME/error" | tar -tz >/dev/null 2>>"$GNUPGHOME/error"; then return; fi
    [ ! -e "$passphrase.old" ] || tac "$passphrase.old" >"$GNUPGHOME/old"
    passphrase=$GNUPGHOME/passphrase
    while read -r old; do
        printf '%s\n' "$old" >"$passphrase"
        if contents "$1" 2>/dev/null | tar -tz >/dev/null 2>&1; then return; fi
    done < <(cat "$GNUPGHOME/old" 2>/dev/null)
    cat "$GNUPGHOME/error" >&2
    return 1
}

case "${1:-}" in
save)
    wait_for_hub
    # The empty Hub of a new master must not become the newest backup.
    if [ ! -e "$known" ] && [ "${2:-}" != --anew ]; then
        there=$(backups)
        [ -z "$there" ] || refuse "this host is new, but the bucket has backups: restore one first (ansible/restore.yml), or run \`backup save --anew\`"
    fi
    key=$folder$(date -u +%Y-%m-%dT%H%M%SZ).tar.gz.gpg
    # The stream ends with $end only after tar and gpg have succeeded: without it, `put` stores nothing.
    end=$(cat /proc/sys/kernel/random/uuid)
    { archive | crypt --symmetric --cipher-algo AES256 --compress-algo none && printf %s "$end"; } | object put "$key" "$end" \
        || fail "the backup failed, and nothing was stored"
    echo "$key" >"$known"
    echo "$key"
    ;;
restore)
    wait_for_hub
    key=${2:-}
    [ -n "$key" ] || key=$(backups | tail -n 1)
    [ -n "$key" ] || refuse "the bucket has no backup: make one with \`backup save\`"
    # Downloaded twice instead of kept on the disk, which may lack the space: nothing is replaced before
    # all of it has been verified.
    find_key "$key" \
        || fail "can't read $key: if it can't be decrypted, it belongs to another cluster, or its key was lost: restore ansible/secrets/backup-key"
    docker compose stop jupyterhub </dev/null
    object() { docker compose run --rm --no-deps -T jupyterhub bucket-object "$@"; } # `exec` needs the Hub
    trap 'docker compose up --detach --no-deps --wait jupyterhub </dev/null; rm -rf "$GNUPGHOME"' EXIT
    rm -f "$(realpath "$known")" # homes that are restored half-way must not be backed up
    contents "$key" | tar -C "$volumes" --numeric-owner --acls -xzf - \
        || fail "only a part of $key was restored: run the same command again"
    echo "$key" >"$known"
    echo "$key"
    ;;
list) backups ;;
*) refuse "usage: backup save [--anew] | restore [KEY] | list" ;;
esac
