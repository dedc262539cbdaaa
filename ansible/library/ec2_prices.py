#!/usr/bin/python
"""How long hosts have run, and about what they have cost since, at AWS's present prices.

Options: `hosts`, each with `name`, `type`, `zone`, `spot` and `start` (in ISO format), and
`price_list`, a region that answers for the price list (few do). Returns `hosts`, by name, with
`hours`, `hourly` and `cost` (the latter if the price is known); `currency`; and `unknown`, which
says in one line why a price is not known, or is empty. It does not fail for want of prices.
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

HOST = {
    "name": {"type": "str", "required": True},
    "type": {"type": "str", "required": True},
    "zone": {"type": "str", "required": True},
    "spot": {"type": "bool", "required": True},
    "start": {"type": "str", "required": True},
}


class UnknownPriceError(Exception):
    """AWS has answered, but without this price."""


def main() -> None:
    """Called by Ansible."""
    module = AnsibleAWSModule(
        argument_spec={
            "hosts": {"type": "list", "elements": "dict", "required": True, "options": HOST},
            "price_list": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    now = datetime.now(UTC)
    region = module.region
    # Whoever waits for the status must not wait for a price list that can't be reached.
    config = Config(connect_timeout=5, read_timeout=15, retries={"total_max_attempts": 2})
    ec2 = module.client("ec2", config=config)
    pricing = module.client("pricing", region=module.params["price_list"], config=config)
    known: dict[tuple[str, str, bool], tuple[float, str]] = {}

    def price(host: dict[str, Any]) -> tuple[float, str]:
        kind, zone, spot = which = (host["type"], host["zone"], host["spot"])
        if which not in known:
            known[which] = (
                _spot(ec2, kind, zone, now) if spot else _on_demand(pricing, kind, region)
            )
        return known[which]

    hosts = {h["name"]: {"hours": _hours(h["start"], now)} for h in module.params["hosts"]}
    currency = unknown = ""
    try:
        for host in module.params["hosts"]:
            hourly, currency = price(host)
            row = hosts[host["name"]]
            row |= {"hourly": hourly, "cost": hourly * row["hours"]}
    except (BotoCoreError, ClientError, UnknownPriceError) as error:
        unknown = " ".join(str(error).split())
    module.exit_json(changed=False, hosts=hosts, currency=currency, unknown=unknown)


def _hours(start: str, now: datetime) -> float:
    return (now - datetime.fromisoformat(start)).total_seconds() / 3600


def _on_demand(client: Any, kind: str, region: str) -> tuple[float, str]:
    """The price of an hour, and its currency; the shape of an item of the list:
    https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/price-changes.html
    """
    wanted = {
        "instanceType": kind,
        "regionCode": region,
        "operatingSystem": "Linux",
        "tenancy": "Shared",
        "preInstalledSw": "NA",
        "capacitystatus": "Used",
    }
    pages = client.get_paginator("get_products").paginate(
        ServiceCode="AmazonEC2",
        Filters=[{"Type": "TERM_MATCH", "Field": k, "Value": v} for k, v in wanted.items()],
    )
    for price, currency in _prices(item for page in pages for item in page["PriceList"]):
        if price > 0:  # capacity blocks, which are paid in advance, are listed with 0
            return price, currency
    raise UnknownPriceError(f"AWS lists no price of {kind} in {region}")


def _prices(items: Iterable[Any]) -> Iterable[tuple[float, str]]:
    for item in items:
        product = json.loads(item) if isinstance(item, str) else item
        for term in product["terms"].get("OnDemand", {}).values():
            for dimension in term["priceDimensions"].values():
                for currency, price in dimension["pricePerUnit"].items():
                    yield float(price), currency


def _spot(client: Any, kind: str, zone: str, now: datetime) -> tuple[float, str]:
    """The present price of an hour in that zone; AWS names no currency."""
    found = client.describe_spot_price_history(
        InstanceTypes=[kind],
        Filters=[{"Name": "availability-zone", "Values": [zone]}],
        ProductDescriptions=["Linux/UNIX"],
        StartTime=now,
    )["SpotPriceHistory"]
    if not found:
        raise UnknownPriceError(f"AWS lists no Spot price of {kind} in {zone}")
    return float(found[0]["SpotPrice"]), "USD"


if __name__ == "__main__":
    main()
