#!/usr/bin/python
"""Launch those hosts of a cluster that do not exist.

Unlike amazon.aws.ec2_instance it tries one instance type after another, waits for a new instance
profile to become visible, and sends a client token, so that two runs at the same time launch one
host, not two. An error of AWS at a launch does not fail the module: it is returned in `missing`,
beside what was launched.

Options: `cluster` (the tag fruits:cluster); `hosts` (see HOST; without the first one, none is
launched); `tags` of hosts, volumes, interfaces and Spot requests; `user_data`, a script for the
first boot; the others as in amazon.aws.ec2_instance, `root_volume` being an item of its `volumes`.
Returns `launched` (name, instance_id and type of each new host), `missing` (name, code and message
of AWS for each host that could not be launched) and `ended` (new hosts that were terminated because
another run has launched one of the same name). Hosts that exist are left alone, also if they are
stopped.
"""

import hashlib
import json
import time
from datetime import UTC, datetime
from typing import Any

from ansible.module_utils.common.dict_transformations import snake_dict_to_camel_dict
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry
from ansible_collections.amazon.aws.plugins.module_utils.tagging import boto3_tag_specifications

LIVE = {"pending", "running", "stopping", "stopped"}
# Errors that another instance type may not have.
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
TRY_NEXT_TYPE = {
    "InstanceLimitExceeded",
    "InsufficientCapacity",
    "InsufficientInstanceCapacity",
    "MaxSpotInstanceCountExceeded",
    "SpotMaxPriceTooLow",
    "Unsupported",
    "VcpuLimitExceeded",
}
PROFILE_TIMEOUT_S = 60

Missing = dict[str, str]


def main() -> None:
    """Called by Ansible."""
    module = AnsibleAWSModule(
        argument_spec={
            "cluster": {"type": "str", "required": True},
            "hosts": {"type": "list", "elements": "dict", "required": True, "options": HOST},
            "image_id": {"type": "str", "required": True},
            "key_name": {"type": "str", "required": True, "no_log": False},
            "iam_instance_profile": {"type": "str", "required": True},
            "subnet_id": {"type": "str", "required": True},
            "security_group_id": {"type": "str", "required": True},
            "tags": {"type": "dict", "required": True},
            "root_volume": {"type": "dict", "required": True},
            "metadata_options": {"type": "dict", "required": True},
            "user_data": {"type": "str"},
        },
        supports_check_mode=True,
    )
    from botocore.exceptions import BotoCoreError, ClientError

    client = module.client("ec2", retry_decorator=AWSRetry.jittered_backoff())
    try:
        former = _instances(client, module.params["cluster"])
        wanted = [h for h in module.params["hosts"] if not _live(former, h["name"])]
        if module.check_mode:
            module.exit_json(changed=bool(wanted), launched=[], missing=[], ended=[])
        first = module.params["hosts"][0]["name"]
        launched, missing = _launch_all(client, module.params, wanted, former, first)
        if launched:
            client.get_waiter("instance_exists").wait(
                InstanceIds=[host["instance_id"] for host in launched]
            )
        ended = _end_twins(client, module.params["cluster"], launched)
        protected = {host["name"] for host in module.params["hosts"] if host["protected"]}
        for host in launched:
            if host["name"] in protected and host["instance_id"] not in ended:
                client.modify_instance_attribute(
                    aws_retry=True,
                    InstanceId=host["instance_id"],
                    DisableApiTermination={"Value": True},
                )
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg="AWS refused to list or launch the hosts")
    module.exit_json(
        changed=bool(launched),
        launched=[host for host in launched if host["instance_id"] not in ended],
        missing=missing,
        ended=[host for host in launched if host["instance_id"] in ended],
    )


HOST = {
    "name": {"type": "str", "required": True},
    "role": {"type": "str", "required": True},
    "types": {"type": "list", "elements": "str", "required": True},
    "disk_gb": {"type": "int", "required": True},
    "spot": {"type": "bool", "default": False},
    "protected": {"type": "bool", "default": False},
}


def _launch_all(
    client: Any, params: dict[str, Any], wanted: list[Any], former: list[Any], first: str
) -> tuple[list[dict[str, str]], list[Missing]]:
    """Launch hosts until an error that the next host would have, too."""
    from botocore.exceptions import ClientError

    launched: list[dict[str, str]] = []
    missing: list[Missing] = []
    exhausted: dict[tuple[str, bool], ClientError] = {}
    for host in wanted:
        error = None
        for kind in host["types"]:
            error = exhausted.get((kind, host["spot"]))
            if error:
                continue
            try:
                instance = _run(client, _request(params, host, kind, former))
            except ClientError as refusal:
                error = refusal
                if _code(refusal) not in TRY_NEXT_TYPE:
                    break
                exhausted[kind, host["spot"]] = refusal
            else:
                launched.append({"name": host["name"], "instance_id": instance, "type": kind})
                error = None
                break
        if error:
            missing.append(_refused(host["name"], error))
            if _code(error) not in TRY_NEXT_TYPE or host["name"] == first:
                rest = wanted[wanted.index(host) + 1 :]
                missing += [{"name": h["name"], "code": "", "message": "not tried"} for h in rest]
                break
    return launched, missing


def _request(params: dict[str, Any], host: Any, kind: str, former: list[Any]) -> dict[str, Any]:
    """The parameters of RunInstances.

    Their client token is the same for every run that wants the same host in the same hour, and
    another one once that host has been terminated.
    """
    tags = {**params["tags"], "Name": host["name"], "fruits:role": host["role"]}
    disk = snake_dict_to_camel_dict(params["root_volume"], capitalize_first=True)
    disk["Ebs"]["VolumeSize"] = host["disk_gb"]
    tagged = ["instance", "volume", "network-interface"]
    request = {
        "MinCount": 1,
        "MaxCount": 1,
        "ImageId": params["image_id"],
        "InstanceType": kind,
        "KeyName": params["key_name"],
        "IamInstanceProfile": {"Name": params["iam_instance_profile"]},
        "SubnetId": params["subnet_id"],
        "SecurityGroupIds": [params["security_group_id"]],
        "BlockDeviceMappings": [disk],
        "MetadataOptions": snake_dict_to_camel_dict(
            params["metadata_options"], capitalize_first=True
        ),
    }
    if params["user_data"]:
        request["UserData"] = params["user_data"]
    if host["spot"]:
        tagged.append("spot-instances-request")
        # A host that powers itself off would otherwise be stopped, which Spot hosts can't be.
        request["InstanceInitiatedShutdownBehavior"] = "terminate"
        request["InstanceMarketOptions"] = {
            "MarketType": "spot",
            "SpotOptions": {
                "SpotInstanceType": "one-time",
                "InstanceInterruptionBehavior": "terminate",
            },
        }
    request["TagSpecifications"] = boto3_tag_specifications(tags, tagged)
    generation = sorted(i["InstanceId"] for i in former if _name(i) == host["name"])
    hour = datetime.now(UTC).strftime("%Y-%m-%dT%H")
    token = json.dumps([params["cluster"], generation, hour, request], sort_keys=True)
    return {**request, "ClientToken": hashlib.sha256(token.encode()).hexdigest()}


def _run(client: Any, request: dict[str, Any]) -> str:
    """Launch an instance; it returns its ID. A new instance profile is not visible at once."""
    from botocore.exceptions import ClientError

    end = time.monotonic() + PROFILE_TIMEOUT_S
    while True:
        try:
            (instance,) = client.run_instances(aws_retry=True, **request)["Instances"]
        except ClientError as error:
            invisible = "Invalid IAM Instance Profile" in error.response["Error"]["Message"]
            if not invisible or time.monotonic() > end:
                raise
            time.sleep(3)
        else:
            return str(instance["InstanceId"])


def _end_twins(client: Any, cluster: str, launched: list[dict[str, str]]) -> set[str]:
    """End those of our hosts of which an older one exists, and return their IDs.

    Every run decides alike which of two is the older one, and only ends what it has launched.
    """
    if not launched:
        return set()
    live = [i for i in _instances(client, cluster) if i["State"]["Name"] in LIVE]
    oldest: dict[str, tuple[Any, str]] = {}
    for instance in live:
        age = (instance["LaunchTime"], instance["InstanceId"])
        oldest[_name(instance)] = min(age, oldest.get(_name(instance), age))
    there = {i["InstanceId"] for i in live}
    twins = {
        host["instance_id"]
        for host in launched
        if host["instance_id"] in there and oldest[host["name"]][1] != host["instance_id"]
    }
    if twins:
        client.terminate_instances(aws_retry=True, InstanceIds=sorted(twins))
    return twins


def _instances(client: Any, cluster: str) -> list[Any]:
    """All instances of the cluster, also those that were terminated in the last hour."""
    pages = client.get_paginator("describe_instances").paginate(
        Filters=[{"Name": "tag:fruits:cluster", "Values": [cluster]}]
    )
    return [i for page in pages for r in page["Reservations"] for i in r["Instances"]]


def _live(instances: list[Any], name: str) -> bool:
    return any(_name(i) == name and i["State"]["Name"] in LIVE for i in instances)


def _name(instance: Any) -> str:
    return next((t["Value"] for t in instance.get("Tags", []) if t["Key"] == "Name"), "")


def _code(error: Any) -> str:
    return str(error.response["Error"]["Code"])


def _refused(name: str, error: Any) -> Missing:
    return {"name": name, "code": _code(error), "message": error.response["Error"]["Message"]}


if __name__ == "__main__":
    main()
