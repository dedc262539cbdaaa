"""Where the hosts keep photos and names: nowhere, and only for a while."""

import os
from pathlib import Path

import pytest
from places import SAMPLES

from deploy.engines import NAME, docker
from deploy.rehearsal import ADDRESSES, BUCKET, Rehearsal

# Prints the files on a host that contain one of the byte strings given in hex on standard input.
# The read-only layers of images, which have the sample photos, are left out.
_SEARCH = """
import os, re, subprocess, sys
strings = re.compile(b"|".join(re.escape(bytes.fromhex(line)) for line in sys.stdin.read().split()))
ids = subprocess.check_output(["docker", "ps", "--all", "--quiet"], text=True).split()
layer = "{{if .GraphDriver.Data}}{{.GraphDriver.Data.UpperDir}}{{end}}"
layers = subprocess.check_output(["docker", "inspect", "--format", layer, *ids], text=True).split()
for root in ("/", "/var/lib/docker/volumes", *layers):
    for folder, folders, names in os.walk(root):
        if root == "/":
            left_out = ("/proc", "/sys", "/dev", "/var/lib/docker")
            folders[:] = [name for name in folders if os.path.join(folder, name) not in left_out]
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path) and not os.path.islink(path):
                try:
                    with open(path, "rb") as file:
                        found = strings.search(file.read())
                except OSError:  # a file of the kernel in /run
                    continue
                if found:
                    print(path)
"""


@pytest.fixture(scope="module")
def used(deployed: Rehearsal) -> Rehearsal:
    """A cluster on which run.yml has read photos from the bucket, and trained."""
    deployed.mend()
    for path in _photos():
        key = f"seen/{path.parent.name}/{path.name}"
        deployed.s3.upload_file(str(path), BUCKET, key)
    places = (f"photos=s3://{BUCKET}/seen", f"results=s3://{BUCKET}/results-of-seen")
    deployed.playbook("run", *(word for place in places for word in ("-e", place)))
    return deployed


def _photos() -> list[Path]:
    """Photos of two labels, real ones if available."""
    home = Path(os.environ.get("FRUITS_TEST_PHOTOS") or SAMPLES)
    labels = [folder for folder in sorted(home.iterdir()) if len(list(folder.glob("*.jpg"))) > 5]
    return [path for folder in labels[:2] for path in sorted(folder.glob("*.jpg"))[:8]]


def _files_with_photos(cluster: Rehearsal, host: str) -> list[str]:
    middles = [path.read_bytes()[path.stat().st_size // 2 :][:64].hex() for path in _photos()]
    search = ("exec", "--interactive", f"{NAME}-{host}", "python3", "-c", _SEARCH)
    return docker(*search, input="\n".join(middles)).splitlines()


def test_hosts_store_no_photo(used: Rehearsal) -> None:
    for name in ADDRESSES:
        assert _files_with_photos(used, name) == []
    photo = f"s3://{BUCKET}/seen/{_photos()[0].parent.name}/{_photos()[0].name}"
    bucket, _, key = photo.removeprefix("s3://").partition("/")
    get = f"import boto3; boto3.client('s3').download_file('{bucket}', '{key}', 'mine.jpg')"
    used.as_scientist("python", "-c", get)
    assert [path.rpartition("/")[2] for path in _files_with_photos(used, "master")] == ["mine.jpg"]
    used.as_scientist("rm", "mine.jpg")


def test_logs_of_containers_go_to_the_journal_which_is_deleted_after_thirty_days(
    used: Rehearsal,
) -> None:
    for name in ADDRESSES:
        driver = "docker inspect --format '{{.HostConfig.LogConfig.Type}}' $(docker ps -q)"
        assert set(used.on(name, "sh", "-c", driver).split()) == {"journald"}
        settings = used.on(name, "systemd-analyze", "cat-config", "systemd/journald.conf")
        assert "\nMaxRetentionSec=30day" in settings
    assert "Successfully registered with master" in used.compose("worker-1", "logs")
