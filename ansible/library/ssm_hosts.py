#!/usr/bin/python
"""Which hosts AWS's Session Manager reaches: those whose agent has registered and answers.

Options: `wait_for`, IDs of hosts for which it waits, up to `timeout_s`. Returns `online`, the IDs
of all such hosts of the account in the region, even if one of `wait_for` is not among them.
"""

import time

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry

PAUSE_S = 5


def main() -> None:
    """Called by Ansible."""
    module = AnsibleAWSModule(
        argument_spec={
            "wait_for": {"type": "list", "elements": "str", "default": []},
            "timeout_s": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    from botocore.exceptions import BotoCoreError, ClientError

    client = module.client("ssm", retry_decorator=AWSRetry.jittered_backoff())
    pages = client.get_paginator("describe_instance_information")
    answering = [{"Key": "PingStatus", "Values": ["Online"]}]
    end = time.monotonic() + module.params["timeout_s"]
    while True:
        try:
            hosts = pages.paginate(Filters=answering).search("InstanceInformationList[].InstanceId")
            online = sorted(hosts)
        except (BotoCoreError, ClientError) as error:
            module.fail_json_aws(error, msg="AWS did not say which hosts Session Manager reaches")
        if set(module.params["wait_for"]) <= {*online} or time.monotonic() > end:
            module.exit_json(changed=False, online=online)
        time.sleep(PAUSE_S)


if __name__ == "__main__":
    main()
