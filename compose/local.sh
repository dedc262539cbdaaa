#!/usr/bin/env bash
# The cluster on this machine: what `make local-VERB` and `make images` call.
set -euo pipefail
called_from=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")"

fail() { echo "$*" >&2; exit 2; }
setting() { # NAME: from the environment, else from .env
    echo "${!1:-$(sed -n "s/^$1=//p" .env)}"
}
secrets=$(realpath -m "${SECRETS:-secrets}")
export SECRETS=$secrets
compose() { docker compose "$@"; }
hub() { compose exec -T jupyterhub "$@"; }
random() { head -c "$1" /dev/urandom | base64 | tr -d '\n/+='; }

check_engine() {
    command -v docker >/dev/null || fail "There is no Docker here: install it, or on Debian say \`make engine\`."
    local said
    said=$(docker info 2>&1) || case "$said" in
        *"permission denied"*) fail "You may not use Docker's engine: join its group (sudo usermod -aG docker $USER) and log in again." ;;
        *) fail "Docker's engine doesn't answer: start it (sudo systemctl start docker, or Docker Desktop)." ;;
    esac
    compose version >/dev/null 2>&1 || fail "Docker has no Compose v2: install its plugin (Debian: docker-compose), or say \`make engine\`."
}

# What is built, in an order in which each finds what it builds on.
images() {
    check_engine
    check_room
    docker buildx version >/dev/null 2>&1 || fail "Docker has no buildx: install its plugin (Debian: docker-buildx), or say \`make engine\`."
    local said tag version revision
    said=$(mktemp -d) tag=$(setting TAG)
    version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' ../src/fruits/__init__.py)
    revision=$(git describe --always --dirty --exclude '*' --abbrev=40 2>/dev/null || echo unknown)
    build() { # NAME DOCKERFILE [OPTION…]; a label on what others are built from would build those anew
        local labels=()
        [[ $1 == build-* ]] || labels=(
            --label org.opencontainers.image.title=fruits
            --label org.opencontainers.image.version="$version"
            --label org.opencontainers.image.revision="$revision"
        )
        echo "  fruits/$1:$tag"
        docker buildx build --builder default --load --progress plain -t "fruits/$1:$tag" -f "../images/$2/Dockerfile" \
            --build-arg TAG="$tag" --build-arg DEBIAN="${DEBIAN:-debian:trixie-slim}" "${@:3}" \
            "${labels[@]}" .. >"$said/$1" 2>&1 || build_failed "$said/$1"
    }
    build_failed() { # LOG
        tail -n 30 "$1" >&2
        ! grep -q "no space left" "$1" || fail "The disk is full: free some (docker system prune)."
        fail "The image could not be built: the lines above are Docker's, all of them are in $1."
    }
    echo "Building what changed (the first time takes some minutes) …"
    # It shares nothing with the others, computes where they download, and takes as long as they.
    build object-store object-store &
    build build-uv base --target uv
    build build-keras base --target keras
    build base base --build-arg WEIGHTS="$(setting WEIGHTS)"
    build spark-master spark-master
    build spark-worker spark-worker
    build jupyterhub jupyterhub
    wait $! || exit 2
    rm -r "$said"
}

check_room() {
    local memory root free
    memory=$(docker info --format '{{.MemTotal}}')
    [ "$memory" -ge 7000000000 ] \
        || fail "Docker has $((memory / 1000000)) MB of memory, and the cluster needs 8 GB: give it more (Docker Desktop: Settings, Resources)."
    root=$(docker info --format '{{.DockerRootDir}}')
    if [ -d "$root" ]; then
        free=$(df -Pm "$root" | awk 'NR == 2 { print $4 }')
        [ "$free" -ge 2000 ] \
            || fail "The disk of $root has $free MB left: free some (docker system prune), the images alone take 6 GB."
    fi
}

# Files in a folder of one's own, readable in the containers, whose users are others than here.
make_secrets() {
    mkdir -p "$secrets" && chmod 700 "$secrets"
    [ -s "$secrets/spark" ] || (umask 022 && random 48 >"$secrets/spark")
    [ -s "$secrets/s3" ] || (umask 022 && printf '[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n' \
        "fruits$(random 12)" "$(random 36)" >"$secrets/s3")
}

explain() { # what compose said
    local taken
    taken=$(sed -nE 's/.*(127\.0\.0\.1:[0-9]+).*(already allocated|address already in use).*/\1/p' "$1" | head -n 1)
    if [ -n "$taken" ]; then
        fail "Another program uses the port $taken: stop it, or change that port in compose/.env."
    elif grep -q "no space left" "$1"; then
        fail "The disk is full: free some (docker system prune) and say \`make local-up\` again."
    elif grep -qi "unhealthy\|exited\|timeout" "$1"; then
        compose ps --all --format 'table {{.Service}}\t{{.Status}}' >&2
        fail "Not everything became healthy: \`docker compose -f compose/compose.yaml logs SERVICE\` tells why."
    fi
    tail -n 3 "$1" >&2
    fail "The cluster could not be started: the lines above are Docker's."
}

set_password() { # NAME: makes it, gives it to the Hub, prints it; the first user's is kept
    local password
    password=$(random 15)
    echo "$password" | hub hub-user set "$1" >&2 || return 2
    [ "$1" != "$(setting HUB_USER)" ] || (umask 077 && echo "$password" >"$secrets/hub-password")
    echo "$password"
}

up() {
    check_engine
    check_room
    make_secrets
    local user users
    said=$(mktemp)
    trap 'rm -f "$said"' EXIT
    compose up --detach --wait --wait-timeout 300 --remove-orphans 2>&1 | tee "$said" || explain "$said"
    user=$(setting HUB_USER)
    users=$(hub hub-user list) || fail "The Hub doesn't answer: say \`make local-logs\`."
    # A user who is there without a password on file: the secrets were lost, the volumes were not.
    if ! grep -qx "$user" <<<"$users" || [ ! -s "$secrets/hub-password" ]; then
        set_password "$user" >/dev/null
    fi
    cat <<TEXT

JupyterHub      http://127.0.0.1:$(setting HUB_PORT)    user $user, password in $secrets/hub-password
Spark master    http://127.0.0.1:$(setting MASTER_PORT)
Spark history   http://127.0.0.1:$(setting HISTORY_PORT)
S3              http://127.0.0.1:$(setting S3_PORT)    keys in $secrets/s3, bucket $(setting BUCKET)
TEXT
}

run() { # [FOLDER]: photos of this machine; else the samples, apart from them
    check_engine
    [ -n "$(compose ps --quiet --status running jupyterhub)" ] || fail "The cluster isn't running: say \`make local-up\` first."
    local user place photos=/opt/fruits/photos
    user=$(setting HUB_USER) place=s3://$(setting BUCKET)
    as() { hub as-user "$user" "$@"; }
    if [ -n "${1:-}" ]; then
        local folder uploads
        folder=$(cd "$called_from" && realpath -m "$1")
        [ -d "$folder" ] || fail "There is no folder $folder."
        uploads=$(as mktemp -d "/home/$user/.upload-XXXXXX")
        # shellcheck disable=SC2064 # as it is now
        trap "docker compose exec -T jupyterhub as-user '$user' rm -rf '$uploads'" EXIT
        tar -C "$folder" -ch --mode=u+rwX --ignore-failed-read . | as tar -x -C "$uploads"
        photos=$uploads
    else
        place=$place/samples
    fi
    as fruits upload "$photos" "$place/photos"
    # Ctrl-C ends only what is seen of a run here.
    as flock --nonblock --conflict-exit-code 75 .local-run.lock \
        fruits run "$place/photos" "$place/results" || case $? in
        75) fail "Another \`make local-run\` is still going on: \`make local-logs\`, or wait for its end." ;;
        *) exit 2 ;;
    esac
}

user() {
    check_engine
    [ -n "${1:-}" ] || fail "Whom? Say \`make local-user NAME=alice\`."
    local password
    password=$(set_password "$1")
    echo "The password of $1, shown this once: $password"
}

down() { # containers go, with the scratch space of their own; the named volumes stay
    check_engine
    compose rm --stop --force --volumes
    compose down --remove-orphans
}

clean() {
    check_engine
    if [ "${YES:-}" != 1 ]; then
        read -rp "Delete the local bucket, all users' notebooks, and compose/secrets with all keys? [y/N] " answer
        [ "$answer" = y ] || fail "Nothing was deleted."
    fi
    compose down --volumes --remove-orphans
    rm -f "$secrets"/{spark,s3,hub-password}
}

case "${1:-}" in
images | up | run | user | down | clean) "$@" ;;
logs) check_engine && compose logs --follow --tail 100 ;;
*) fail "local.sh images|up|run [FOLDER]|user NAME|logs|down|clean" ;;
esac
