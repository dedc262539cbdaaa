"""No option of ansible-playbook turns off the check of the region, in any playbook."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from deploy.playbooks import make_site, operators_environ, run_playbook
from places import ROOT

from fruits.storage.s3_client import EU_REGIONS

ANSIBLE = ROOT / "ansible"
PLAYBOOKS = sorted(
    file
    for file in ANSIBLE.glob("*.yml")
    if "hosts:" in file.read_text() and "- name:" in file.read_text()
)
ABROAD = ("-e", "region=us-east-1", "-e", '{"eu_regions": ["us-east-1"]}')
SETTINGS = {"bucket": "my-fruits", "ssh_from": ["203.0.113.7/32"]}
# Nothing listens there, so that a call to AWS fails with another message.
ENVIRON = {
    **{"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_MAX_ATTEMPTS": "1"},
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = tmp_path_factory.mktemp("site")
    make_site(site)
    (site / "ansible" / "cluster.yml").write_text(yaml.safe_dump(SETTINGS))
    shutil.copy(site / "ansible" / "hosts.example.yml", site / "hosts.yml")
    return site


def run(site: Path, name: str, *options: str) -> "subprocess.CompletedProcess[str]":
    environ = {**operators_environ(), **ENVIRON}
    return run_playbook(site, name, "-i", "hosts.yml", *options, environ=environ, timeout_s=120)


@pytest.mark.parametrize("file", PLAYBOOKS, ids=lambda file: file.stem)
def test_every_playbook_checks_first(file: Path) -> None:
    first, *_ = yaml.safe_load(file.read_text())
    if file.stem == "checks":
        assert (first["hosts"], first["tags"]) == ("localhost", "always")
        assert first["roles"][:2] == ["eu", "settings"]
        assert "when" not in first
    else:
        assert first["ansible.builtin.import_playbook"] == "checks.yml"
        assert not {"when", "tags"} & set(first)


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--tags", "other"),
        ("-e", "needs_hosts=false", "-e", "role_path=/tmp", "-e", "playbook_dir=/tmp"),
        ("-e", """region={{ 'us-east-1' }}"""),
    ],
    ids=" ".join,
)
def test_a_region_abroad_is_refused_whatever_the_options(
    site: Path, options: tuple[str, ...]
) -> None:
    done = run(site, "checks", *ABROAD, *options)
    assert done.returncode
    assert "us-east-1 is not an AWS region inside the European Union" in done.stdout


@pytest.mark.parametrize(
    "options", [("--skip-tags", "always"), ("--start-at-task", "Look up the hosts")], ids=" ".join
)
def test_a_region_abroad_is_refused_where_it_is_used(site: Path, options: tuple[str, ...]) -> None:
    done = run(site, "teardown", *ABROAD, *options)
    assert done.returncode
    assert "us-east-1 is not an AWS region inside the European Union" in done.stdout
    assert "127.0.0.1" not in done.stdout


def test_the_inventory_refuses_a_region_abroad(site: Path, tmp_path: Path) -> None:
    shutil.copytree(site, tmp_path, dirs_exist_ok=True, symlinks=True)
    settings = yaml.safe_dump({**SETTINGS, "region": "us-east-1", "eu_regions": ["us-east-1"]})
    (tmp_path / "ansible" / "cluster.yml").write_text(settings)
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-inventory"), "--list"],
        cwd=tmp_path,
        env={**operators_environ(), **ENVIRON},
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode
    assert "us-east-1 is not an AWS region inside the European Union" in done.stderr
    assert "127.0.0.1" not in done.stderr


def test_each_region_on_its_way_to_aws_is_checked() -> None:
    """Whatever a call names as its region passes through the filter."""
    files = [*ANSIBLE.rglob("*.yml"), *ANSIBLE.glob("roles/*/templates/*")]
    files = [file for file in files if file.exists() and file.name != "argument_specs.yml"]
    texts = {file: file.read_text() for file in files}
    for file, text in texts.items():
        for line in text.splitlines():
            if re.search(
                r"\bregion: [\"']?\{\{|client\(|region=|AWS_REGION=|com\.amazonaws\.", line
            ):
                assert "region | in_the_eu" in line, f"{file.relative_to(ROOT)}: {line.strip()}"
    calls = [
        f for f, text in texts.items() if re.search(r"^\s+(amazon|community)\.aws\.", text, re.M)
    ]
    assert len(calls) > 5
    for file in calls:
        if file.parent == ANSIBLE:
            assert "group/aws: { region:" in texts[file]


def test_the_regions_are_those_of_the_package() -> None:
    listed = (ANSIBLE / "filter_plugins" / "eu.py").read_text()
    assert set(re.findall(r'^    "([a-z0-9-]+)",', listed, re.MULTILINE)) == EU_REGIONS
    assert "eu_regions" not in (ANSIBLE / "group_vars" / "all" / "defaults.yml").read_text()
