"""status.yml estimates what the hosts have cost, or says why it can't; it never fails for that."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from deploy.playbooks import aws_environ, make_site, playbook
from faulty_ec2 import Faults, Request, faulty_ec2
from places import ROOT
from plays import play
from prices import price_list

REGION = "eu-west-3"
SHOWN = {
    "status_host": {"stdout_lines": ["1 of 2 MB", "up 1 hour", "up to date", "1.2", "none"]},
    "status_disks": ["4% /"],
    "status_packages": "",
}


class SpotPrice(Faults):
    """A Spot price that can be seen in a sum: moto's is 0.00001."""

    def after(self, request: Request, answer: str) -> str:
        return answer.replace("0.00001<", "0.080000<")


def _host(kind: str, hours: float, **others: str) -> dict[str, object]:
    """What the inventory says of a host on AWS, and what the role `status` has found there."""
    return {
        "instance_id": "i-0123456789abcdef0",
        "instance_type": kind,
        "placement": {"availability_zone": f"{REGION}b"},
        "launch_time": (datetime.now(UTC) - timedelta(hours=hours)).isoformat(),
        **others,
        **SHOWN,
    }


def _status(folder: Path, hosts: dict[str, dict[str, object]], environ: dict[str, str]) -> str:
    once: dict[str, Any] = {"run_once": True}
    template = "{{ lookup('template', template).splitlines() }}"
    done = play(
        folder,
        hosts,
        {**once, "ansible.builtin.include_role": {"name": "aws_cost"}},
        {**once, "ansible.builtin.debug": {"msg": template}},
        environ=environ,
        region=REGION,
        aws_partition="aws",
        template=str(ROOT / "ansible" / "templates" / "status"),
    )
    assert done.returncode == 0, done.stdout
    assert "changed=0" in done.stdout
    return done.stdout


def test_the_cost_is_estimated(s3_endpoint: str, tmp_path: Path) -> None:
    hosts = {
        "master": _host("m7i-flex.large", 10),
        "worker-1": _host("c7i.xlarge", 2.5),
        "worker-2": _host("c5.xlarge", 2.5, instance_lifecycle="spot"),
    }
    listed = {"m7i-flex.large": "0.1100000000", "c7i.xlarge": "0.2000000000"}
    faults = SpotPrice()
    with price_list(listed) as (url, asked), faulty_ec2(s3_endpoint, faults) as ec2:
        environ = {**aws_environ(s3_endpoint), "AWS_ENDPOINT_URL_PRICING": url}
        output = _status(tmp_path, hosts, {**environ, "AWS_ENDPOINT_URL_EC2": ec2})
    assert "10.0 hours since its start, about 1.10 USD at 0.1100 an hour" in output
    assert "2.5 hours since its start, about 0.50 USD at 0.2000 an hour" in output
    assert "2.5 hours since its start, about 0.20 USD at 0.0800 an hour" in output
    assert "cost         about 1.80 USD since the hosts' start, 0.39 an hour: only hosts" in output
    (spot,) = faults.sent("DescribeSpotPriceHistory")
    assert spot["InstanceType.1"] == "c5.xlarge"
    assert spot["Filter.1.Value.1"] == f"{REGION}b"
    assert {region for region, _ in asked} == {"eu-central-1"}
    common = {"regionCode": REGION, "operatingSystem": "Linux", "tenancy": "Shared"}
    for _, filters in asked:
        assert common.items() <= filters.items()
        assert (filters["capacitystatus"], filters["preInstalledSw"]) == ("Used", "NA")
    assert sorted(f["instanceType"] for _, f in asked) == ["c7i.xlarge", "m7i-flex.large"]


@pytest.mark.parametrize(
    ("denied", "why"),
    [
        (True, "fruits-operator is not authorized to perform: pricing:GetProducts"),
        (False, f"no estimate: AWS lists no price of c7i.xlarge in {REGION}"),
    ],
)
def test_without_prices_it_says_why(
    s3_endpoint: str, tmp_path: Path, denied: bool, why: str
) -> None:
    with price_list({}, denied) as (url, _):
        environ = {**aws_environ(s3_endpoint), "AWS_ENDPOINT_URL_PRICING": url}
        output = _status(tmp_path, {"master": _host("c7i.xlarge", 3)}, environ)
    (line,) = [line for line in output.splitlines() if "no estimate: " in line]
    assert why in line
    assert "3.0 hours since its start" in output


def test_without_a_network_it_says_so(tmp_path: Path) -> None:
    output = _status(
        tmp_path, {"master": _host("c7i.xlarge", 3)}, aws_environ("http://127.0.0.1:9")
    )
    assert "no estimate: Could not connect to the endpoint URL" in output


def test_outside_aws_there_is_nothing_to_ask(tmp_path: Path) -> None:
    output = _status(tmp_path, {"master": dict(SHOWN)}, aws_environ("http://127.0.0.1:9"))
    assert "no estimate: the hosts are not on AWS" in output


def test_hosts_come_from_the_inventory(s3_endpoint: str, tmp_path: Path) -> None:
    make_site(tmp_path)
    ansible = tmp_path / "ansible"
    own = {"bucket": "a-bucket", "cluster_name": "cost", "region": REGION}
    (ansible / "cluster.yml").write_text(yaml.safe_dump(own))
    show = {"ansible.builtin.debug": {"var": "aws_cost_estimate"}}
    local = {"hosts": "localhost", "gather_facts": False, "roles": ["aws_cost"], "tasks": [show]}
    (ansible / "cost.yml").write_text(yaml.safe_dump([local]))
    ec2 = boto3.client("ec2", region_name=REGION)
    with price_list({"c7i.xlarge": "0.2"}) as (url, _):
        made = [_launch(ec2, "master"), _launch(ec2, "worker")]
        environ = {**aws_environ(s3_endpoint), "AWS_ENDPOINT_URL_PRICING": url}
        output = playbook(tmp_path, "cost", environ=environ)
        ec2.terminate_instances(InstanceIds=made)
    assert output.count("hourly: 0.2") == 2
    assert re.search(r"cost-worker:\n +cost: \S+\n +hourly: 0.2\n +hours: 0\.0", output), output
    assert "unknown: ''" in output


def _launch(ec2: Any, role: str) -> str:
    tags = {"fruits:cluster": "cost", "fruits:role": role, "Name": f"cost-{role}"}
    tagged = [{"Key": key, "Value": value} for key, value in tags.items()]
    (instance,) = ec2.run_instances(
        ImageId="ami-12c6146b",
        InstanceType="c7i.xlarge",
        MinCount=1,
        MaxCount=1,
        TagSpecifications=[{"ResourceType": "instance", "Tags": tagged}],
    )["Instances"]
    return str(instance["InstanceId"])
