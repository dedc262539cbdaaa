"""restore.yml asks before it overwrites homes and interrupts what runs; scripts are the host's."""

import sys
from pathlib import Path

from deploy.playbooks import run_playbook
from plays import local_site

_BACKUP = """#!/bin/sh
case "$1" in
list) printf '%s\\n' backups/fruits/1.gpg backups/fruits/2.gpg ;;
*) echo "$*" >>{calls}; echo "$2" ;;
esac
"""


def _restore(folder: Path, *words: str) -> tuple[str, str]:
    """Run restore.yml on this machine; returns its output, and how the script was called."""
    # What runs is asked of `python3 -`.
    asked = '[ "$1" != - ] || { cat >/dev/null; echo busy kernels of ada: 2; exit; }'
    runs = f'{asked}\nexec {sys.executable} "$@"'
    environ = local_site(folder, {"python3": runs}, "two")
    script = folder / "home" / "backup"
    script.write_text(_BACKUP.format(calls=folder / "calls"))
    script.chmod(0o755)
    options = ("-i", "hosts.yml", *(word for each in words for word in ("-e", each)))
    done = run_playbook(folder, "restore", *options, environ=environ)
    told = folder / "calls"
    return " ".join(done.stdout.split()), told.read_text() if told.exists() else ""


def test_a_restore_asks_and_names_the_backup_and_what_runs(tmp_path: Path) -> None:
    output, told = _restore(tmp_path)
    assert "Cancelled, nothing was restored: backups/fruits/2.gpg would replace" in output
    assert "interrupt busy kernels of ada: 2" in output
    assert not told
    output, told = _restore(tmp_path, "assume_yes=true")
    assert "restored s3://my-fruits/backups/fruits/2.gpg" in output
    assert told == "restore backups/fruits/2.gpg\n"
    output, _ = _restore(tmp_path, "backup=backups/fruits/1.gpg")
    assert "Cancelled, nothing was restored: backups/fruits/1.gpg would replace" in output
