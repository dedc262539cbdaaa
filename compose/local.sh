#!/usr/bin/env bash
# The cluster on this machine. Called by `make local-…` and `make images`.
set -euo pipefail
called_from=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=compose/steps.sh disable=SC1091
source steps.sh

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
    command -v docker >/dev/null || fail "Docker is not installed: install it, or on Debian run \`make engine\`."
    local said
    said=$(docker info 2>&1) || case "$said" in
        *"permission denied"*) fail "You do not have permission to use Docker: join the docker group (sudo usermod -aG docker $USER) and log in again." ;;
        *) fail "Docker is not responding: start it (sudo systemctl start docker, or Docker Desktop)." ;;
    esac
    compose version >/dev/null 2>&1 || fail "Docker Compose v2 is not installed: install the plugin (Debian: docker-compose), or run \`make engine\`."
}

# Builds the images in dependency order. With FRESH=1, layers with packages of Debian are built anew, and so
# are all on top of them. Later builds pass the same time to find these in the cache, not older ones.
# FRESH may also be that time, and REVISION that of the source, if this is no clone (ansible/roles/images).
images() { # [hosts]: without the object store, which clusters of several hosts do not use
    check_engine
    check_room
    local updated=../build/updated
    if [ -n "${FRESH:-}" ]; then
        docker pull -q "${DEBIAN:-debian:trixie-slim}" >/dev/null 2>&1 \
            || echo "The base image can't be pulled, so the one on this machine is used, with Debian's updates."
        mkdir -p ../build
        case $FRESH in
        20[0-9][0-9]-*) echo "$FRESH" ;;
        *) printf '%(%Y-%m-%dT%H:%M:%S)T\n' -1 ;;
        esac >"$updated"
    fi
    docker buildx version >/dev/null 2>&1 || fail "Docker buildx is not installed: install the plugin (Debian: docker-buildx), or run \`make engine\`."
    local said tag version revision
    said=$(mktemp -d) tag=$(setting TAG)
    version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' ../src/fruits/__init__.py)
    revision=${REVISION:-$(git describe --always --dirty --exclude '*' --abbrev=40 2>/dev/null || echo unknown)}
    build() { # STEP NAME FOLDER [OPTION…]; build-* images get no labels, as new labels would rebuild what uses them
        local labels=()
        [[ $2 == build-* ]] || labels=(
            --label org.opencontainers.image.title=fruits
            --label org.opencontainers.image.version="$version"
            --label org.opencontainers.image.revision="$revision"
        )
        local text="[$1/7] fruits/$2:$tag"
        step_begins "$1" "$text"
        docker buildx build --builder default --load --progress plain -t "fruits/$2:$tag" -f "../images/$3/Dockerfile" \
            --build-arg TAG="$tag" --build-arg DEBIAN="${DEBIAN:-debian:trixie-slim}" \
            --build-arg UPDATED="$(cat "$updated" 2>/dev/null)" "${@:4}" \
            "${labels[@]}" .. >"$said/$2" 2>&1 || build_failed "$2"
        step_ends "$1" "$text"
    }
    build_failed() { # NAME
        steps_clear
        tail -n 30 "$said/$1" >&2
        ! grep -q "no space left" "$said/$1" || fail "The disk is full: free some space (docker system prune)."
        fail "The image fruits/$1 could not be built: see Docker's last lines above, and its full output in $said/$1."
    }
    echo "Building what changed (takes a few minutes the first time) …"
    steps_begin
    store=
    trap 'kill "$store" 2>/dev/null || true; steps_end' EXIT
    if [ "${1:-}" != hosts ]; then # built in parallel: it shares nothing with the others
        build 1 object-store object-store &
        store=$!
    fi
    build 2 build-uv base --target uv
    build 3 build-keras base --target keras
    build 4 base base --build-arg WEIGHTS="$(setting WEIGHTS)"
    build 5 spark-master spark-master
    build 6 spark-worker spark-worker
    build 7 jupyterhub jupyterhub
    [ -z "$store" ] || wait "$store" || fail "The image fruits/object-store could not be built: see above."
    rm -r "$said"
}

check_room() {
    local memory root free
    memory=$(docker info --format '{{.MemTotal}}')
    [ "$memory" -ge 7000000000 ] \
        || fail "Docker has $((memory / 1000000)) MB of memory, but the cluster needs 8 GB: give it more (Docker Desktop: Settings, Resources)."
    root=$(docker info --format '{{.DockerRootDir}}')
    if [ -d "$root" ]; then
        free=$(df -Pm "$root" | awk 'NR == 2 { print $4 }')
        [ "$free" -ge 2000 ] \
            || fail "The disk of $root has only $free MB left: free some space (docker system prune); the images alone need 6 GB."
    fi
}

# The folder is private; the files are world-readable because containers run with other user IDs.
make_secrets() {
    mkdir -p "$secrets" && chmod 700 "$secrets"
    [ -s "$secrets/spark" ] || (umask 022 && random 48 >"$secrets/spark")
    [ -s "$secrets/s3" ] || (umask 022 && printf '[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n' \
        "fruits$(random 12)" "$(random 36)" >"$secrets/s3")
    [ -e "$secrets/oauth" ] || (umask 022 && : >"$secrets/oauth")
}

explain() { # LOG: turns the output of a failed compose into a message
    local taken
    taken=$(sed -nE 's/.*(127\.0\.0\.1:[0-9]+).*(already allocated|address already in use).*/\1/p' "$1" | head -n 1)
    if [ -n "$taken" ]; then
        fail "Port $taken is already in use: stop the program that uses it, or change the port in compose/.env."
    elif grep -q "no space left" "$1"; then
        fail "The disk is full: free some space (docker system prune) and run \`make local-up\` again."
    elif grep -qi "unhealthy\|exited\|timeout" "$1"; then
        compose ps --all --format 'table {{.Service}}\t{{.Status}}' >&2
        fail "Some services did not become healthy: see \`docker compose -f compose/compose.yaml logs SERVICE\`."
    fi
    tail -n 3 "$1" >&2
    fail "The cluster could not be started: see Docker's messages above."
}

set_password() { # NAME: generates a password, sets it in the Hub and prints it; saves the first user's
    local password
    password=$(random 15)
    echo "$password" | hub hub-user set "$1" >&2 || return 2
    [ "$1" != "$(setting HUB_USER)" ] || (umask 077 && echo "$password" >"$secrets/hub-password")
    echo "$password"
}

# Starts the containers and says when each became healthy; LOG gets compose's output.
start() { # LOG
    local began=$SECONDS healthy=' ' starting
    steps_begin
    step_begins up "Starting the cluster"
    compose up --detach --wait --wait-timeout 300 --remove-orphans >"$1" 2>&1 &
    starting=$!
    while kill -0 "$starting" 2>/dev/null; do
        say_health "$1"
        sleep 0.5
    done
    wait "$starting" || { steps_end; return 1; }
    say_health "$1"
    step_ends up "The cluster is healthy"
}

# Reads lines like " Container fruits-spark-worker-1  Waiting"; the last one of a container counts.
say_health() { # LOG
    local name state service waiting=' '
    local -A states=()
    while read -r name state; do
        states[$name]=$state
    done < <(sed -nE "s/.*Container +${COMPOSE_PROJECT_NAME:-fruits}-([^ ]+) +([A-Z].*)/\1 \2/p" "$1")
    for name in "${!states[@]}"; do
        service=${name%-*}
        [[ ${states[$name]} == Healthy* || $waiting == *" $service "* ]] || waiting+="$service "
    done
    for name in "${!states[@]}"; do
        service=${name%-*}
        if [[ "$waiting$healthy" != *" $service "* ]]; then
            healthy+="$service "
            step_line "  $service is healthy" "$began"
        fi
    done
    [ "$waiting" = ' ' ] || step_says up "Waiting for$waiting"
}

up() {
    check_engine
    check_room
    make_secrets
    local user users
    said=$(mktemp)
    trap 'steps_end; rm -f "$said"' EXIT
    start "$said" || explain "$said"
    user=$(setting HUB_USER)
    users=$(hub hub-user list) || fail "The Hub is not responding: see \`make local-logs\`."
    # If the user exists without a saved password, the secrets were lost but the volumes were not.
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

run() { # [FOLDER]: photos on this machine; without it the samples, stored separately
    check_engine
    [ -n "$(compose ps --quiet --status running jupyterhub)" ] || fail "The cluster is not running: run \`make local-up\` first."
    local user place photos=/opt/fruits/photos
    user=$(setting HUB_USER) place=s3://$(setting BUCKET)
    as() { hub as-user "$user" "$@"; }
    if [ -n "${1:-}" ]; then
        local folder uploads
        folder=$(cd "$called_from" && realpath -m "$1")
        [ -d "$folder" ] || fail "The folder $folder does not exist."
        uploads=$(as mktemp -d "/home/$user/.upload-XXXXXX")
        # shellcheck disable=SC2064 # expand now
        trap "docker compose exec -T jupyterhub as-user '$user' rm -rf '$uploads'" EXIT
        tar -C "$folder" -ch --mode=u+rwX --ignore-failed-read . | as tar -x -C "$uploads"
        photos=$uploads
    else
        place=$place/samples
    fi
    as fruits upload "$photos" "$place/photos"
    # Ctrl-C only stops the output here; the run continues.
    as flock --nonblock --conflict-exit-code 75 .local-run.lock \
        run-and-train "$place/photos" "$place/results" || case $? in
        75) fail "Another \`make local-run\` is in progress: wait until it ends, or watch it with \`make local-logs\`." ;;
        *) exit 2 ;;
    esac
    echo
    echo "Recognise       http://127.0.0.1:$(setting HUB_PORT)/services/recognise/    names the fruit on a photo"
}

user() {
    check_engine
    [ -n "${1:-}" ] || fail "NAME is missing: run \`make local-user NAME=alice\`."
    local password
    password=$(set_password "$1")
    echo "Password of $1 (shown only once): $password"
}

down() { # removes the containers and their anonymous volumes; keeps the named volumes
    check_engine
    compose rm --stop --force --volumes
    compose down --remove-orphans
}

clean() {
    check_engine
    if [ "${YES:-}" != 1 ]; then
        read -rp "Delete the local bucket, all users and their notebooks, and all keys in compose/secrets? [y/N] " answer
        [ "$answer" = y ] || fail "Cancelled, nothing was deleted."
    fi
    compose down --volumes --remove-orphans
    rm -f "$secrets"/{spark,s3,oauth,hub-password}
}

case "${1:-}" in
images | up | run | user | down | clean) "$@" ;;
logs) check_engine && compose logs --follow --tail 100 ;;
*) fail "usage: local.sh images [hosts]|up|run [FOLDER]|user NAME|logs|down|clean" ;;
esac
