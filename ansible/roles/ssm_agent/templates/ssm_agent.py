#!/usr/bin/python3
"""Install the agent through which AWS's Session Manager reaches this host, or its newest version.

From the bucket that AWS has for this in the region
(https://docs.aws.amazon.com/systems-manager/latest/userguide/agent-install-deb.html). Without an
argument, as at the first boot, it goes on in a unit of its own, since the package starts the agent,
whose unit may wait for cloud-init, which waits for this script. With `check` it only tells, by its
exit code, whether the newest version is installed; with `install` it installs it.
"""

import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

DOMAIN = "amazonaws.{{ 'eu' if aws_partition == 'aws-eusc' else 'com' }}"
SOURCE = f"https://s3.{{ region | in_the_eu }}.{DOMAIN}/amazon-ssm-{{ region | in_the_eu }}/latest"
ATTEMPTS = 10  # a NAT gateway, or the mirror of a new host, may not answer at once
PAUSE_S = 15


def main() -> None:
    match sys.argv[1:]:
        case []:
            alone = ["--no-block", "--collect", "--unit=fruits-ssm-agent"]
            output = "--property=StandardOutput=journal+console"
            run("systemd-run", *alone, output, sys.executable, __file__, "install")
        case ["check"]:
            sys.exit(0 if installed() == newest() else 1)
        case ["install"]:
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    install()
                except (OSError, subprocess.CalledProcessError) as error:
                    print(f"AWS's agent is not installed: {error}", flush=True)
                    if attempt == ATTEMPTS:
                        sys.exit(1)
                    time.sleep(PAUSE_S)
                else:
                    return


def newest() -> str:
    return fetch("VERSION").decode().strip()


def installed() -> str:
    """Its version, without Debian's revision; empty if it is not there."""
    show = [
        "dpkg-query",
        "--show",
        "--showformat=${db:Status-Abbrev}${Version}",
        "amazon-ssm-agent",
    ]
    state = subprocess.run(show, text=True, capture_output=True, check=False).stdout
    return state.removeprefix("ii ").partition("-")[0] if state.startswith("ii ") else ""


def install() -> None:
    ask = ["dpkg", "--print-architecture"]
    architecture = subprocess.check_output(ask, text=True).strip()
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "amazon-ssm-agent.deb"
        package.write_bytes(fetch(f"debian_{architecture}/amazon-ssm-agent.deb"))
        wait = "--option=DPkg::Lock::Timeout=600"
        run("apt-get", "install", "--yes", "--allow-downgrades", wait, str(package))
    run("systemctl", "enable", "amazon-ssm-agent")
    # At once: an agent that lacked permissions until now waits for up to an hour. Sessions go on.
    run("systemctl", "restart", "amazon-ssm-agent")


def fetch(name: str) -> bytes:
    with urllib.request.urlopen(f"{SOURCE}/{name}", timeout=60) as response:
        content: bytes = response.read()
    return content


def run(*command: str) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
