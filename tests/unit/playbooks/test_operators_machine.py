"""What runs on the operator's machine, which may be a Mac: its programs, and how they are called.

No Mac has run this. Held to here: the programs that macOS brings along, bash 3.2, POSIX's options,
and lock files that are not for Linux alone.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from places import ROOT

ANSIBLE = ROOT / "ansible"
# Python and the AWS CLI are installed, the rest is macOS's.
MAC = "aws bash cat dirname git grep make mkdir mktemp python3 rm sed sh ssh ssh-keygen tar touch"
# Only if images are built on that machine, which needs Linux.
_IMAGES = ("architecture", "archive", "registry", "version")
WITH_DOCKER = {f"roles/images/tasks/{name}.yml" for name in _IMAGES}


def _tasks(entries: Any, local: bool) -> Iterator[tuple[dict[str, Any], bool]]:
    """All tasks, also those in blocks, and whether they run on the operator's machine."""
    for entry in entries if isinstance(entries, list) else []:
        here = entry["delegate_to"] == "localhost" if "delegate_to" in entry else local
        if "hosts" in entry:
            here = entry["hosts"] == "localhost"
        yield entry, here
        for part in ("block", "rescue", "always", "pre_tasks", "tasks", "post_tasks"):
            yield from _tasks(entry.get(part), here)


def _local_files() -> dict[str, bool]:
    """Files with tasks, and whether a play on localhost runs all of them."""
    found = {str(file.relative_to(ANSIBLE)): False for file in ANSIBLE.glob("roles/*/tasks/*.yml")}
    for playbook in ANSIBLE.glob("*.yml"):
        found[playbook.name] = False
        for entry, local in _tasks(yaml.safe_load(playbook.read_text()), False):
            if not local:
                continue
            roles = [{"name": role} for role in entry.get("roles", []) if isinstance(role, str)]
            roles += [entry[key] for key in entry if key.endswith(("include_role", "import_role"))]
            for role in roles:
                name = re.sub("{{.*?}}", "*", role["name"])
                for file in ANSIBLE.glob(f"roles/{name}/tasks/{role.get('tasks_from', '*')}.yml"):
                    found[str(file.relative_to(ANSIBLE))] = True
    return found


def _programs(task: dict[str, Any]) -> Iterator[str]:
    for key, value in task.items():
        words: Any = value.get("argv", value.get("cmd")) if isinstance(value, dict) else value
        if key.endswith(".command"):
            first = words[0] if isinstance(words, list) else words
            name = re.findall(r"[a-z][\w-]*", first)[0]
            yield "python3" if name == "ansible_playbook_python" else name
        elif key.endswith(".shell"):
            begins = r"(?:^|[|;&(]|\bdo\b|\bthen\b) *([a-z][\w-]*)(?= |$)"
            yield from re.findall(begins, words, re.MULTILINE)


_SHELL = {"set", "export", "trap", "for", "done", "do", "if", "fi"}


def test_playbooks_start_only_programs_that_a_mac_has() -> None:
    started: dict[str, set[str]] = {}
    for file, local in _local_files().items():
        for task, here in _tasks(yaml.safe_load((ANSIBLE / file).read_text()), local):
            if here:
                for program in _programs(task):
                    started.setdefault(program, set()).add(file)
    assert started.keys() - _SHELL - {*MAC.split()} == {"docker"}, started
    assert started["docker"] == WITH_DOCKER
    assert {"python3", "ssh-keygen", "ssh"} <= started.keys()  # so they are found
    pipes = [
        file for file in ANSIBLE.rglob("*.yml") if file.exists() and "pipe'" in file.read_text()
    ]
    assert not pipes


@pytest.fixture
def mac(tmp_path: Path) -> dict[str, str]:
    """An environment with nothing but the programs of a Mac."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in MAC.split():
        if found := shutil.which(name):
            (folder / name).symlink_to(found)
    return {"PATH": str(folder), "HOME": str(tmp_path)}


def _stand_in(file: Path, script: str) -> None:
    file.unlink(missing_ok=True)
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def test_the_tunnel_opens_with_the_programs_of_a_mac(mac: dict[str, str]) -> None:
    _stand_in(Path(mac["PATH"]) / "ansible-playbook", "")
    _stand_in(Path(mac["PATH"]) / "ssh", 'echo "ssh $*"')
    done = subprocess.run(
        [ANSIBLE / "tunnel.sh", "hosts.yml"],
        env={**mac, "ANSIBLE_CONFIG": os.devnull},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "http://127.0.0.1:8000" in done.stdout
    assert "ssh -F ansible/secrets/ssh_config -N" in done.stdout.splitlines()[-1]


def test_ansible_is_installed_with_the_programs_of_a_mac(
    mac: dict[str, str], tmp_path: Path
) -> None:
    """`make deploy-tools`; a script stands in for Python and for uv."""
    (tmp_path / "ansible").mkdir()
    for file in ("Makefile", "requirements-dev.lock", "ansible/requirements.lock"):
        shutil.copy(ROOT / file, tmp_path / file)
    _stand_in(
        Path(mac["PATH"]) / "python3",
        """echo "$0 $*" >>log
case "$*" in
    *"-m venv .venv") mkdir -p .venv/bin; cat "$0" >.venv/bin/python ;;
    *"-m pip install"*) cat "$0" >.venv/bin/uv ;;
esac
for file in .venv/bin/*; do [ ! -e "$file" ] || /bin/chmod 755 "$file"; done""",
    )
    done = subprocess.run(
        [Path(mac["PATH"]) / "make", "deploy-tools"],
        cwd=tmp_path,
        env=mac,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "-r ansible/requirements.lock" in (tmp_path / "log").read_text().splitlines()[-1]
    for file in (".venv/uv.lock", "ansible/requirements.lock"):
        lines = re.findall(r"^(\S+==.*?) *\\?$", (tmp_path / file).read_text(), re.MULTILINE)
        assert lines
        for line in lines:
            marker = Requirement(line).marker
            on_a_mac = {"sys_platform": "darwin", "platform_machine": "arm64"}
            assert not marker or marker.evaluate(on_a_mac), line
        hashes = (tmp_path / file).read_text().count("--hash=sha256:")
        assert hashes >= len(lines)


@pytest.mark.parametrize("script", [*ANSIBLE.glob("*.sh"), ROOT / "Makefile"], ids=lambda s: s.name)
def test_scripts_keep_to_bash_3_2_and_posix_options(script: Path) -> None:
    text = script.read_text()
    if script.name == "Makefile":  # `make deploy-tools` and `make tunnel`, and what they need
        rules = re.findall(
            r"^(?:deploy-tools|tunnel|\.venv/deploy|\.venv/bin/\w+):.*\n(?:\t.*\n)*", text, re.M
        )
        assert len(rules) == 5
        text = "".join(rules)
    later_bash = (
        r"mapfile|readarray|declare -[Ag]|local -n|coproc|wait -n|&>>|\|&|%\([^)]*\)T"
        r"|\$\{\w+(,,|\^\^|@)|\$\{\w+: -|\$EPOCH|\*\*/"
    )
    assert not re.findall(later_bash, text)
    gnu = (
        r"sed -\w*[ir]|readlink -f|realpath|date -d|stat -c|xargs -\w*r|cp --|mktemp -\w*[tp]"
        r"|\b(flock|timeout|setsid|sha256sum|tac|shuf|nproc|gawk|ip|ss|systemctl|apt-get) "
    )
    assert not re.findall(gnu, text)
