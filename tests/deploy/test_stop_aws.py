"""stop.yml and start.yml against moto's AWS; what they do on hosts is in test_stop.py."""

import yaml

from deploy.aws import Aws
from deploy.playbooks import changes


def _playbook(aws: Aws, name: str, check: bool = True) -> str:
    """Run the plays of this machine only: moto's hosts can't be reached."""
    folder = aws.site / "ansible"
    plays = yaml.safe_load((folder / f"{name}.yml").read_text())
    local = [p for p in plays if p.get("hosts", "localhost") == "localhost"]
    (folder / f"local_{name}.yml").write_text(yaml.safe_dump(local))
    return aws.playbook(f"local_{name}", check=check)


def _states(aws: Aws) -> dict[str, str]:
    """The state of each host, by name; of a name's hosts, that of the newest."""
    reservations = aws.client("ec2").describe_instances()["Reservations"]
    hosts = [host for each in reservations for host in each["Instances"]]
    return {
        tag["Value"]: host["State"]["Name"]
        for host in sorted(hosts, key=lambda host: host["LaunchTime"])
        for tag in host["Tags"]
        if tag["Key"] == "Name"
    }


def test_hosts_are_stopped_and_started(aws: Aws) -> None:
    aws.playbook("provision")
    before = aws.instances()

    _playbook(aws, "stop")

    assert _states(aws) == dict.fromkeys(before, "stopped")
    assert set(changes(_playbook(aws, "stop")).values()) == {0}
    assert "run `ansible-playbook ansible/start.yml` first" in aws.playbook("run", check=False)

    _playbook(aws, "start")

    assert {name: host["InstanceId"] for name, host in aws.instances().items()} == {
        name: host["InstanceId"] for name, host in before.items()
    }
    for output in (_playbook(aws, "start"), aws.playbook("provision")):
        assert set(changes(output).values()) == {0}


def test_spot_workers_are_terminated_and_made_anew(aws: Aws) -> None:
    aws.settings(worker_spot=True)
    aws.playbook("provision")
    before = aws.instances()

    _playbook(aws, "stop")
    assert _states(aws) == {
        "fruits-master": "stopped",
        "fruits-worker-1": "terminated",
        "fruits-worker-2": "terminated",
    }

    # What follows needs images, and hosts that can be reached.
    assert "has no images to deploy" in _playbook(aws, "start", check=False)
    after = aws.instances()
    assert set(after) == set(before)
    assert after["fruits-master"]["InstanceId"] == before["fruits-master"]["InstanceId"]


def test_without_a_cluster_there_is_nothing_to_start(aws: Aws) -> None:
    assert "there is no cluster fruits" in aws.playbook("start", check=False)
