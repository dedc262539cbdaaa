"""The filter `in_the_eu`, through which every region on its way to AWS passes.

The list is not a variable, so no option of a command (`-e`, `--tags`, `--start-at-task`) replaces
it or skips the filter. tests/unit/playbooks/test_eu.py checks that each use of a region has it.
"""

from collections.abc import Callable

from ansible.errors import AnsibleFilterError

EU_REGIONS = (
    "eu-central-1",  # Frankfurt
    "eu-north-1",  # Stockholm
    "eu-south-1",  # Milan
    "eu-south-2",  # Spain
    "eu-west-1",  # Ireland
    "eu-west-3",  # Paris
    "eusc-de-east-1",  # AWS European Sovereign Cloud, Brandenburg
)
"""AWS regions in the European Union (not London, Zurich), as in src/fruits/storage/s3_client.py."""


def in_the_eu(region: object) -> str:
    """The region itself; raises AnsibleFilterError if it is not in the list."""
    if region not in EU_REGIONS:
        raise AnsibleFilterError(
            f"{region} is not an AWS region inside the European Union: set `region` in "
            f"ansible/cluster.yml to one of {', '.join(EU_REGIONS)}"
        )
    return str(region)


class FilterModule:
    def filters(self) -> dict[str, Callable[[object], str]]:
        return {"in_the_eu": in_the_eu}
