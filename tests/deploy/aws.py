"""A mock AWS for the playbooks: moto's server, and boto3 to look at what they made."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import boto3
import yaml

from deploy.playbooks import aws_environ, playbook

REGION = "eu-west-3"
Service = Literal["ec2", "ecr", "iam", "s3", "ssm"]
AMI = {
    "ami_id": "ami-0123456789abcdef0",
    "name": "debian-13-amd64-20260901-2222",
    "owner_id": "136693071363",
    "creation_date": "2026-09-01T00:00:00.000Z",
    "architecture": "x86_64",
    "public": True,
    "state": "available",
    "virtualization_type": "hvm",
    "hypervisor": "xen",
    "root_device_name": "/dev/xvda",
    "root_device_type": "ebs",
    "image_type": "machine",
    "image_location": "136693071363/debian-13-amd64-20260901-2222",
    "description": "Debian 13",
    "platform": None,
    "sriov": "simple",
}
SETTINGS = {
    "region": REGION,
    "bucket": "rehearsal-of-fruits",
    "ssh_from": ["203.0.113.7/32"],
    "availability_zone": f"{REGION}b",
    "drain_minutes": 0,  # the addresses from moto belong to others
}


@dataclass(frozen=True)
class Aws:
    """A mock AWS, and a folder with playbooks that use it."""

    site: Path
    url: str

    def client(self, service: Service, region: str = REGION) -> Any:
        return boto3.client(
            service,
            region,
            endpoint_url=self.url,
            aws_access_key_id="operator",
            aws_secret_access_key="secret",  # noqa: S106
        )

    def settings(self, **settings: object) -> None:
        file = self.site / "ansible" / "cluster.yml"
        file.write_text(yaml.safe_dump({**SETTINGS, **settings}))

    def playbook(self, name: str, *options: str, check: bool = True) -> str:
        options = ("-e", "assume_yes=true", *options)
        return playbook(self.site, name, *options, check=check, environ=self.environ)

    @property
    def environ(self) -> dict[str, str]:
        return aws_environ(self.url)

    def instances(self) -> dict[str, dict[str, Any]]:
        """Running hosts by name."""
        reservations = self.client("ec2").describe_instances()["Reservations"]
        return {
            next(tag["Value"] for tag in host["Tags"] if tag["Key"] == "Name"): host
            for reservation in reservations
            for host in reservation["Instances"]
            if host["State"]["Name"] == "running"
        }
