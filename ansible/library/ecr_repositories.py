#!/usr/bin/python
"""The repositories of a cluster in the account's ECR registry.

Options: `prefix` of their names; `optional`: without permission to list them, warn instead of
failing. Returns `names`.
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry


def main() -> None:
    """Called by Ansible."""
    module = AnsibleAWSModule(
        argument_spec={
            "prefix": {"type": "str", "required": True},
            "optional": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    from botocore.exceptions import BotoCoreError, ClientError

    client = module.client("ecr", retry_decorator=AWSRetry.jittered_backoff())
    names: list[str] = []
    try:
        for page in client.get_paginator("describe_repositories").paginate():
            names += [repository["repositoryName"] for repository in page["repositories"]]
    except (BotoCoreError, ClientError) as error:
        if not module.params["optional"] or "AccessDenied" not in str(error):
            module.fail_json_aws(error, msg="AWS did not list the image repositories")
        module.warn(f"image repositories, if there are any, are kept: {error}")
    prefix = module.params["prefix"]
    module.exit_json(changed=False, names=sorted(n for n in names if n.startswith(prefix)))


if __name__ == "__main__":
    main()
