"""What the hosts' role, which every user of the Hub has, may do: the policy that its role renders.

Each request is what S3 asks IAM about: PutObject, for instance, is also the permission to create a
multipart upload, to upload a part, to complete it, and to copy to a key
(https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html).
"""

import iam
import pytest
from roles import variable

KEY = "arn:aws:kms:eu-west-3:123456789012:key/0a1b2c3d-1234"
CREATES = {"s3__ObjectCreationOperation": "true"}
REQUESTS: dict[str, tuple[str, dict[str, str]]] = {
    "read": ("s3:GetObject", {}),
    "read a version": ("s3:GetObjectVersion", {}),
    "create": ("s3:PutObject", {**CREATES, "s3__if_none_match": "*"}),
    "replace, or copy to": ("s3:PutObject", CREATES),
    "begin an upload, or upload a part": (
        "s3:PutObject",
        {"s3__ObjectCreationOperation": "false"},
    ),
    "abort an upload": ("s3:AbortMultipartUpload", {}),
    "delete": ("s3:DeleteObject", {}),
    "delete a version": ("s3:DeleteObjectVersion", {}),
    "change tags": ("s3:PutObjectTagging", {}),
    "delete tags": ("s3:DeleteObjectTagging", {}),
    "change access": ("s3:PutObjectAcl", {}),
    "restore from an archive": ("s3:RestoreObject", {}),
    "change a retention": ("s3:PutObjectRetention", {}),
    "replicate": ("s3:ReplicateDelete", {}),
}
BACKUPS = {
    "read", "read a version", "create", "begin an upload, or upload a part", "abort an upload"
}  # fmt: skip
OTHERS = BACKUPS | {"replace, or copy to", "delete", "delete a version"}
ALLOWED = {
    "backups/2026-11-26T030000Z.tar.gz.gpg": BACKUPS,  # of earlier versions
    "backups/fruits/2026-11-26T030000Z.tar.gz.gpg": BACKUPS,
    "backups/another/2026-11-26T030000Z.tar.gz.gpg": BACKUPS,
    "photos/a.jpg": OTHERS,
    "photos/backups/a.jpg": OTHERS,
    "results/manifest.json": OTHERS,
}
BUCKET_ALLOWED = {
    "s3:GetBucketLocation", "s3:GetBucketVersioning", "s3:ListBucket",
    "s3:ListBucketMultipartUploads", "s3:ListBucketVersions",
}  # fmt: skip
BUCKET_DENIED = [
    "s3:PutLifecycleConfiguration", "s3:PutBucketVersioning", "s3:PutBucketPolicy",
    "s3:DeleteBucketPolicy", "s3:PutReplicationConfiguration", "s3:PutBucketPublicAccessBlock",
    "s3:PutEncryptionConfiguration", "s3:PutBucketTagging", "s3:DeleteBucket", "s3:CreateBucket",
]  # fmt: skip


def policy(**settings: str) -> iam.Policy:
    rendered = variable("aws_role", "aws_role_policy", bucket="fruit", **settings)
    assert isinstance(rendered, dict)
    return rendered


@pytest.mark.parametrize("key", ALLOWED)
def test_backups_are_created_but_neither_replaced_nor_deleted(key: str) -> None:
    allowed = {
        request
        for request, (action, context) in REQUESTS.items()
        if iam.allows(policy(), action, f"arn:aws:s3:::fruit/{key}", **context)
    }
    assert allowed == ALLOWED[key]


def test_the_bucket_itself_is_not_changed() -> None:
    asked = [*BUCKET_ALLOWED, *BUCKET_DENIED]
    allowed = {a for a in asked if iam.allows(policy(), a, "arn:aws:s3:::fruit")}
    assert allowed == BUCKET_ALLOWED


def test_nothing_else_is_reached() -> None:
    for action, context in REQUESTS.values():
        for bucket in ("fruit2", "a-fruit", "other"):
            assert not iam.allows(policy(), action, f"arn:aws:s3:::{bucket}/a", **context)
    for action in ("ec2:TerminateInstances", "ssm:GetParameter", "iam:PassRole", "kms:Decrypt"):
        assert not iam.allows(policy(), action, KEY, kms__ViaService="s3.eu-west-3.amazonaws.com")


@pytest.mark.parametrize(
    ("region", "partition", "service"),
    [
        ("eu-west-3", "aws", "s3.eu-west-3.amazonaws.com"),
        ("eusc-de-east-1", "aws-eusc", "s3.eusc-de-east-1.amazonaws.eu"),
    ],
)
def test_a_key_of_the_users_is_used_through_s3_only(
    region: str, partition: str, service: str
) -> None:
    key = f"arn:{partition}:kms:{region}:123456789012:key/0a1b2c3d-1234"
    with_key = policy(region=region, kms_key_arn=key)

    def allowed(action: str, key: str, **context: str) -> bool:
        return iam.allows(with_key, action, key, **context)

    for action in ("kms:Decrypt", "kms:GenerateDataKey"):
        assert allowed(action, key, kms__ViaService=service)
        assert not allowed(action, key)
        assert not allowed(action, key, kms__ViaService=service.replace("s3", "ec2"))
        assert not allowed(action, f"{key}5", kms__ViaService=service)
    for action in ("kms:CreateGrant", "kms:ScheduleKeyDeletion", "kms:ReEncryptFrom"):
        assert not allowed(action, key, kms__ViaService=service)
    arn = f"arn:{partition}:s3:::fruit/photos/a.jpg"
    assert allowed("s3:GetObject", arn)


SESSIONS = {
    "ssm:UpdateInstanceInformation",
    "ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel",
}  # fmt: skip
NO_SESSIONS = [
    "ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath", "ssm:GetParameterHistory",
    "ssm:PutParameter", "ssm:StartSession", "ssm:ResumeSession", "ssm:SendCommand",
    "ssm:DescribeInstanceInformation", "ssm:CreateActivation", "ssm:GetDocument",
    "ec2messages:GetMessages", "kms:Decrypt",
]  # fmt: skip


@pytest.mark.parametrize(("connect", "expected"), [("ssh", set()), ("ssm", SESSIONS)])
def test_session_manager_reaches_hosts_that_can_not_read_the_ssh_key(
    connect: str, expected: set[str]
) -> None:
    resources = [
        "arn:aws:ssm:eu-west-3:123456789012:parameter/fruits/ssh-key",
        "arn:aws:ec2:eu-west-3:123456789012:instance/i-0123456789abcdef0",
        KEY,
        "*",
    ]
    allowed = {
        action
        for action in [*SESSIONS, *NO_SESSIONS]
        if any(iam.allows(policy(connect=connect), action, resource) for resource in resources)
    }
    assert allowed == expected
