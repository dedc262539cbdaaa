"""user.yml acts on the user that the command line names, and on no other; a script is Docker."""

import subprocess
from pathlib import Path

import pytest
from deploy.playbooks import run_playbook
from places import ROOT
from plays import local_site


def _user(folder: Path, *words: str) -> tuple[str, str]:
    """Run user.yml on this machine; returns its output, and what the Hub was told."""
    environ = local_site(folder, {"docker": f'cat >/dev/null; echo "$*" >>{folder}/calls'}, "two")
    options = ("-i", "hosts.yml", *(word for each in words for word in ("-e", each)))
    done = run_playbook(folder, "user", *options, environ=environ)
    told = folder / "calls"
    return " ".join(done.stdout.split()), told.read_text() if told.exists() else ""


@pytest.mark.parametrize("words", [["user=alice", "state=erased"], ["state=absent"], []])
def test_nobody_is_meant_who_was_not_named(tmp_path: Path, words: list[str]) -> None:
    output, told = _user(tmp_path, *words, "assume_yes=true")
    assert "name the user on the command line: -e hub_user=NAME" in output
    assert not told


def test_erasing_asks_and_names_the_user(tmp_path: Path) -> None:
    erase = ("hub_user=alice", "state=erased")
    output, told = _user(tmp_path, *erase)
    assert "Cancelled, alice was not erased" in output
    assert not told
    password = tmp_path / "ansible" / "secrets" / "alice"
    password.parent.mkdir()
    password.write_text("secret")
    output, told = _user(tmp_path, *erase, "assume_yes=true")
    assert "failed=1" not in output, output
    assert told == "compose exec -T jupyterhub hub-user erase alice\n"
    assert not password.exists()


def test_a_password_replaces_no_key(tmp_path: Path) -> None:
    for state in ("present", "erased"):
        output, told = _user(tmp_path, "hub_user=backup-key", f"state={state}", "assume_yes=true")
        assert "hub_user is 'backup-key', the name of a file in ansible/secrets" in output
        assert not told


@pytest.mark.parametrize("verb", [["set", "backup-key"], ["login", "known_hosts", "digest"]])
def test_the_hub_refuses_such_names(tmp_path: Path, verb: list[str]) -> None:
    script = (ROOT / "images" / "jupyterhub" / "bin" / "hub-user").read_text()
    script = script.replace("/srv/jupyterhub/users", str(tmp_path))
    (tmp_path / "etc").mkdir()
    done = subprocess.run(
        ["bash", "-c", script, "hub-user", *verb],  # noqa: S607
        input="long enough\n", text=True, capture_output=True, check=False, timeout=20,
    )  # fmt: skip
    assert done.returncode == 2
    assert f"{verb[1]} is a reserved name" in done.stderr
