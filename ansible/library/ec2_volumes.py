#!/usr/bin/python
"""The EBS volumes with some tags that are not being deleted.

Options: `tags`. Returns `volumes`, each with `id`, `zone` and `instance`, to which it is attached
(or an empty string). (amazon.aws.ec2_vol_info fails for volumes whose description has no snapshot.)
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry


def main() -> None:
    """Called by Ansible."""
    module = AnsibleAWSModule(
        argument_spec={"tags": {"type": "dict", "required": True}}, supports_check_mode=True
    )
    from botocore.exceptions import BotoCoreError, ClientError

    client = module.client("ec2", retry_decorator=AWSRetry.jittered_backoff())
    filters = [{"Name": f"tag:{k}", "Values": [v]} for k, v in module.params["tags"].items()]
    filters.append({"Name": "status", "Values": ["creating", "available", "in-use"]})
    try:
        pages = list(client.get_paginator("describe_volumes").paginate(Filters=filters))
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg="AWS did not list the volumes")
    volumes = [
        {
            "id": volume["VolumeId"],
            "zone": volume["AvailabilityZone"],
            "instance": next((a["InstanceId"] for a in volume["Attachments"]), ""),
        }
        for page in pages
        for volume in page["Volumes"]
    ]
    module.exit_json(changed=False, volumes=sorted(volumes, key=lambda volume: volume["id"]))


if __name__ == "__main__":
    main()
