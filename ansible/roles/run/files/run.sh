#!/bin/bash
# shellcheck disable=SC2016 # expanded in the container
# A run of the pipeline in the Hub's container, as one of its users. It goes on when this script, the SSH
# connection or dockerd ends; what it prints and its exit code are kept in the user's ~/.run.
#   run start USER PHOTOS RESULTS   exit code 75: another one is in progress
#   run state USER                  none | running | ended | interrupted | told, then PHOTOS and RESULTS
#   run wait USER                   wait for the end; output and exit code are the run's
#   run told USER                   somebody was told the end
set -euo pipefail
self=$(realpath "$0") verb=${1:-} user=${2:-}
cd "${self%/*}/compose"
inside() { docker compose exec -T jupyterhub as-user "$user" sh -c "$1" sh "${@:2}" </dev/null; }

case $verb in
start)
    inside '
        umask 077
        exec 9>.run.lock
        flock --timeout 2 --conflict-exit-code 75 9 || exit
        rm -rf .run && mkdir .run && printf "%s\n" "$@" >.run/places
        setsid sh -c '\''
            run-and-train "$@" 9>&- && code=0 || code=$?
            echo "$code" >.run/code && mv .run/code .run/exit-code
        '\'' sh "$@" >.run/stdout 2>.run/stderr </dev/null &' "${@:3}"
    ;;
state) # a run that has ended without an exit code was killed, with its container
    inside '
        [ -e .run/places ] || { echo none; exit; }
        if ! flock --shared --nonblock .run.lock true; then echo running
        elif [ -e .run/told ]; then echo told
        elif [ -e .run/exit-code ]; then echo ended
        else echo interrupted; fi
        cat .run/places'
    ;;
wait)
    failures=0
    while :; do
        if said=$(timeout 60 "$self" state "$user" 2>&1); then
            failures=0
            case ${said%%$'\n'*} in
            running) ;;
            none) echo "There is no run to wait for." >&2 && exit 2 ;;
            *) break ;;
            esac
        elif [ $((failures += 1)) -ge 60 ]; then # dockerd takes seconds to restart
            echo "The Hub does not respond, but the run may be going on: ${said##*$'\n'}" >&2
            exit 77
        fi
        sleep "${RUN_POLL_S:-5}"
    done
    inside '
        cat .run/stdout
        cat .run/stderr >&2
        [ ! -e .run/exit-code ] || exit "$(cat .run/exit-code)"
        echo "The run was interrupted, because the Hub or its host was restarted: start it again." >&2
        exit 76'
    ;;
told) inside 'touch .run/told' ;;
*) echo "usage: run start USER PHOTOS RESULTS | state USER | wait USER | told USER" >&2 && exit 2 ;;
esac
