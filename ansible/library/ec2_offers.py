#!/usr/bin/python
"""Which instance types each availability zone has, and for which architectures.

Option: `types`. Returns `architectures` (such as {"t4g.large": ["arm64"]}, without types that the
region does not know) and `zones` (such as {"eu-west-3a": ["c7i.xlarge"]}).
"""

from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry


def main() -> None:
    """Called by Ansible."""
    module = AnsibleAWSModule(
        argument_spec={"types": {"type": "list", "elements": "str", "required": True}},
        supports_check_mode=True,
    )
    from botocore.exceptions import BotoCoreError, ClientError

    client = module.client("ec2", retry_decorator=AWSRetry.jittered_backoff())
    chosen = [{"Name": "instance-type", "Values": sorted(set(module.params["types"]))}]
    architectures: dict[str, list[str]] = {}
    zones: dict[str, list[str]] = {}
    try:
        for kind in _all(client, "describe_instance_types", "InstanceTypes", chosen):
            supported = kind["ProcessorInfo"]["SupportedArchitectures"]
            architectures[kind["InstanceType"]] = sorted(supported)
        for offer in _all(
            client,
            *("describe_instance_type_offerings", "InstanceTypeOfferings", chosen),
            LocationType="availability-zone",
        ):
            zones.setdefault(offer["Location"], []).append(offer["InstanceType"])
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg="AWS did not say which instance types it has")
    module.exit_json(
        changed=False,
        architectures=architectures,
        zones={zone: sorted(kinds) for zone, kinds in sorted(zones.items())},
    )


def _all(client: Any, call: str, key: str, filters: list[Any], **options: str) -> list[Any]:
    pages = client.get_paginator(call).paginate(Filters=filters, **options)
    return [item for page in pages for item in page[key]]


if __name__ == "__main__":
    main()
