#!/usr/bin/python
"""Tags on repositories of ECR; their other tags are kept.

Options: `names` of the repositories, `tags`.
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry


def main() -> None:
    """Called by Ansible."""
    module = AnsibleAWSModule(
        argument_spec={
            "names": {"type": "list", "elements": "str", "required": True},
            "tags": {"type": "dict", "required": True},
        },
        supports_check_mode=True,
    )
    from botocore.exceptions import BotoCoreError, ClientError

    client = module.client("ecr", retry_decorator=AWSRetry.jittered_backoff())
    wanted = module.params["tags"]
    changed = False
    try:
        answer = client.describe_repositories(repositoryNames=module.params["names"])
        for repository in answer["repositories"]:
            arn = repository["repositoryArn"]
            tags = client.list_tags_for_resource(resourceArn=arn).get("tags", [])
            there = {tag["Key"]: tag["Value"] for tag in tags}
            missing = [{"Key": k, "Value": v} for k, v in wanted.items() if there.get(k) != v]
            if missing and not module.check_mode:
                client.tag_resource(resourceArn=arn, tags=missing)
            changed = changed or bool(missing)
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg="AWS did not tag the image repositories")
    module.exit_json(changed=changed)


if __name__ == "__main__":
    main()
