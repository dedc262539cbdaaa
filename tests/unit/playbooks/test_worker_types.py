"""Workers of different instance types in one cluster."""

from pathlib import Path

import yaml
from places import ROOT
from plays import play

ANSIBLE = ROOT / "ansible"
SETTINGS = yaml.safe_load((ANSIBLE / "group_vars/all/defaults.yml").read_text())
WORKERS = yaml.safe_load((ANSIBLE / "group_vars/spark_workers.yml").read_text())
CLUSTER = yaml.safe_load((ANSIBLE / "roles/cluster/vars/main.yml").read_text())


def test_each_worker_has_its_own_cores(tmp_path: Path) -> None:
    hosts = {
        "c7i": {"cores": 4, "memory": 7700},
        "m6i": {"cores": 8, "memory": 31500},
        "little": {"cores": 2, "memory": 1900},
    }
    facts = {"processor_vcpus": "{{ cores }}", "memtotal_mb": "{{ memory }}", "cacheable": True}
    done = play(
        tmp_path,
        hosts,
        {"ansible.builtin.group_by": {"key": "spark_workers"}},
        {"ansible.builtin.set_fact": facts},
        {
            "ansible.builtin.debug": {
                "msg": "{{ inventory_hostname }} {{ worker_cores }} of {{ cluster_all_cores }}"
            }
        },
        **SETTINGS,
        worker_cores=WORKERS["worker_cores"],
        cluster_all_cores=CLUSTER["cluster_all_cores"],
    )
    for line in ("c7i 4 of 13", "m6i 8 of 13", "little 1 of 13"):
        assert line in done.stdout, done.stdout
