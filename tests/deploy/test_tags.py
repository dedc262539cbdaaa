"""Tags of what provision.yml makes."""

from typing import Any

from deploy.aws import Aws
from deploy.playbooks import changes

TAGS = {"cost-center": "1234", "Team": "Données @ lab"}
OTHERS = {"backup-plan": "daily"}
KEY = "/fruits/ssh-key"


def test_tags_of_the_team_and_of_others(aws: Aws) -> None:
    """extra_tags are on all that is made, and a second run keeps what others have added."""
    aws.settings(extra_tags=TAGS, worker_spot=True, workers=1)
    aws.playbook("provision")
    for kind, tags in _tags(aws).items():
        assert TAGS.items() <= tags.items(), kind
        assert tags.get("fruits:cluster") == "fruits", kind

    ec2, iam = aws.client("ec2"), aws.client("iam")
    others = [{"Key": name, "Value": value} for name, value in OTHERS.items()]
    ec2.create_tags(Resources=list(_resources(aws)), Tags=others)
    iam.tag_role(RoleName="fruits-eu-west-3-host", Tags=others)
    iam.tag_instance_profile(InstanceProfileName="fruits-eu-west-3-host", Tags=others)
    assert changes(aws.playbook("provision")) == {"localhost": 0}
    for kind, tags in _tags(aws).items():
        if kind not in ("bucket", "parameter"):  # to which none were added
            assert (TAGS | OTHERS).items() <= tags.items(), kind


def _resources(aws: Aws) -> dict[str, str]:
    """What has tags in EC2: its kind by its ID."""
    ec2 = aws.client("ec2")
    filters = [{"Name": "key", "Values": ["fruits:cluster"]}]
    tagged = ec2.describe_tags(Filters=filters)["Tags"]
    return {tag["ResourceId"]: tag["ResourceType"] for tag in tagged}


def _tags(aws: Aws) -> dict[str, dict[str, str]]:
    """Tags of everything that was made, by kind (and ID)."""
    iam, name = aws.client("iam"), "fruits-eu-west-3-host"

    def named(tags: list[dict[str, Any]]) -> dict[str, str]:
        return {tag["Key"]: tag["Value"] for tag in tags}

    profile = iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]
    parameter = {"ResourceType": "Parameter", "ResourceId": KEY}
    found = {
        "bucket": named(
            aws.client("s3").get_bucket_tagging(Bucket="rehearsal-of-fruits")["TagSet"]
        ),
        "role": named(iam.list_role_tags(RoleName=name)["Tags"]),
        "profile": named(profile["Tags"]),
        "parameter": named(aws.client("ssm").list_tags_for_resource(**parameter)["TagList"]),
    }
    kinds = set()
    for resource, kind in _resources(aws).items():
        filters = [{"Name": "resource-id", "Values": [resource]}]
        found[f"{kind} {resource}"] = named(
            aws.client("ec2").describe_tags(Filters=filters)["Tags"]
        )
        kinds.add(kind)
    assert kinds >= {"instance", "volume", "key-pair", "vpc", "subnet", "security-group"}
    assert kinds >= {"internet-gateway", "route-table", "vpc-endpoint"}, kinds
    return found
