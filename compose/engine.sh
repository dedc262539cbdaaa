#!/usr/bin/env bash
# Installs what the containers need on a Debian host: Docker Engine, Compose and buildx, and the image
# debian:trixie-slim, which is built from Debian packages if no registry is available.
set -euo pipefail
image=debian:trixie-slim
plugins=/usr/local/lib/docker/cli-plugins

fail() { echo "$*" >&2; exit 2; }
need_root() { [ "$(id -u)" = 0 ] || fail "Installing Docker requires root: run \`sudo make engine\`."; }
have_engine() { docker info >/dev/null 2>&1; }
install() { apt-get update -q && apt-get install -yq --no-install-recommends "$@"; }
# shellcheck disable=SC2016 # a variable of apt: the mirror that this host installs from
mirror() { apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v security | head -n 1; }

# Debian 13's plugins are single files without dependencies on Debian 13, so they work on Debian 12 too.
plugin() { # NAME
    ! docker "$1" version >/dev/null 2>&1 || return 0
    need_root
    local folder
    folder=$(mktemp -d)
    mkdir -p "$folder/lists/partial" "$plugins"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(mirror) trixie main" >"$folder/sources"
    # apt verifies the package's checksum and the signature of the package list.
    from_trixie() {
        apt-get -q -o Dir::Etc::sourcelist="$folder/sources" -o Dir::Etc::sourceparts=/dev/null \
            -o Dir::State::lists="$folder/lists" -o Dir::Cache="$folder" -o APT::Sandbox::User=root "$@"
    }
    from_trixie update
    (cd "$folder" && from_trixie download "docker-$1" && dpkg-deb -x docker-"$1"_*.deb .)
    cp "$(find "$folder" -path "*/cli-plugins/docker-$1" -type f)" "$plugins/"
    rm -rf "$folder"
}

if ! have_engine; then
    need_root
    command -v dockerd >/dev/null || install docker.io iptables
    if [ -d /run/systemd/system ]; then
        systemctl start docker
    else
        echo "Starting dockerd; its log is /var/log/dockerd.log."
        nohup dockerd >/var/log/dockerd.log 2>&1 &
    fi
    for _ in $(seq 60); do
        ! have_engine || break
        sleep 1
    done
    have_engine || fail "Docker did not start: see /var/log/dockerd.log, or run \`journalctl -u docker\`."
fi
plugin compose
plugin buildx

if ! docker image inspect "$image" >/dev/null 2>&1 && ! timeout 120 docker pull -q "$image"; then
    need_root
    echo "No registry is available: building $image from Debian packages."
    command -v debootstrap >/dev/null || install debootstrap
    tree=$(mktemp -d)
    trap 'rm -rf "$tree"' EXIT
    # As in the official image: no manuals, no translations, no cached packages.
    mkdir -p "$tree/etc/dpkg/dpkg.cfg.d"
    printf 'path-exclude=%s\n' '/usr/share/doc/*' '/usr/share/man/*' '/usr/share/locale/*' \
        '/usr/share/info/*' >"$tree/etc/dpkg/dpkg.cfg.d/slim"
    debootstrap --variant=minbase --include=ca-certificates trixie "$tree" "$(mirror)" >/dev/null
    # The images trust the same local certificate authorities as this host.
    if compgen -G '/usr/local/share/ca-certificates/*.crt' >/dev/null; then
        cp /usr/local/share/ca-certificates/*.crt "$tree/usr/local/share/ca-certificates/"
        chroot "$tree" update-ca-certificates >/dev/null
    fi
    rm -rf "$tree"/usr/share/{doc,man,locale,info}/* "$tree"/var/cache/apt/* "$tree"/var/lib/apt/lists/*
    tar -C "$tree" -c . | docker import --change 'CMD ["bash"]' - "$image" >/dev/null
fi
docker version --format 'Docker {{.Server.Version}}, {{.Server.Os}}/{{.Server.Arch}}'
