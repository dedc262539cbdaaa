#!/usr/bin/env bash
# Shows the steps of a long command, and how long each took: as plain lines, and on a terminal also what
# is running now. Sourced by local.sh.

# A folder with a file for each step that is running: the second in which it began, and what it is.
running=

steps_begin() {
    running=$(mktemp -d) clear=''
    if [ -t 1 ] && [ "${TERM:-dumb}" != dumb ]; then
        clear=$'\r\e[K'
        tick &
        ticker=$!
    fi
}

steps_end() {
    [ -z "${ticker:-}" ] || kill "$ticker" 2>/dev/null || true
    steps_clear
    rm -rf "$running"
}

steps_clear() { printf '%s' "$clear"; } # removes the line of running steps

step_begins() { # KEY TEXT
    echo "$SECONDS $2" >"$running/$1"
    [ -n "$clear" ] || echo "$2 …"
}

step_says() { # KEY TEXT: what it is doing now, for a terminal
    local began what
    read -r began what <"$running/$1"
    echo "$began $2" >"$running/$1"
}

step_ends() { # KEY TEXT
    local began what
    read -r began what <"$running/$1"
    rm "$running/$1"
    step_line "$2" "$began"
}

step_line() { # TEXT BEGAN
    printf '%s%-36s %4d s\n' "$clear" "$1" $((SECONDS - $2))
}

# Rewrites the line of running steps every second; lines of steps that end replace it.
tick() {
    local file began what line
    while kill -0 $$ 2>/dev/null; do # even if this script is killed
        line=
        for file in "$running"/*; do
            { read -r began what <"$file"; } 2>/dev/null || continue
            line+="${line:+, }$what … $((SECONDS - began)) s"
        done
        printf '%s%s' "$clear" "${line:0:79}"
        sleep 1
    done
}
