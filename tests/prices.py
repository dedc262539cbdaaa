"""A stand-in for AWS's price list, which moto lacks; its answers have the shape of AWS's."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

DENIED = {
    "__type": "AccessDeniedException",
    "Message": "User: arn:aws:iam::123456789012:user/fruits-operator is not authorized to perform: "
    "pricing:GetProducts",
}


def _item(sku: str, attributes: dict[str, str], price: str) -> str:
    """An item of PriceList: JSON in a string of the JSON."""
    term, rate = f"{sku}.JRTCKXETXF", f"{sku}.JRTCKXETXF.6YS6EN2CT7"
    dimension = {
        "unit": "Hrs",
        "endRange": "Inf",
        "description": f"${price} per On Demand Linux {attributes['instanceType']} Instance Hour",
        "appliesTo": [],
        "rateCode": rate,
        "beginRange": "0",
        "pricePerUnit": {"USD": price},
    }
    offer = {
        "priceDimensions": {rate: dimension},
        "sku": sku,
        "effectiveDate": "2026-11-01T00:00:00Z",
        "offerTermCode": "JRTCKXETXF",
        "termAttributes": {},
    }
    product = {"productFamily": "Compute Instance", "attributes": attributes, "sku": sku}
    return json.dumps(
        {
            "product": product,
            "serviceCode": "AmazonEC2",
            "terms": {"OnDemand": {term: offer}},
            "version": "20261101000000",
            "publicationDate": "2026-11-01T00:00:00Z",
        }
    )


@contextmanager
def price_list(prices: dict[str, str], denied: bool = False) -> Iterator[tuple[str, list[Any]]]:
    """Serve prices of types; yields the URL, and the region and filters of each request."""
    requests: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.headers["X-Amz-Target"] == "AWSPriceListService.GetProducts"
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            (region,) = re.findall("/([a-z0-9-]+)/pricing/", self.headers["Authorization"])
            filters = {f["Field"]: f["Value"] for f in request["Filters"]}
            requests.append((region, filters))
            items = []
            if filters["instanceType"] in prices:
                items = [  # a capacity block, which is paid in advance, and the price
                    _item("2TQN6RY8ZSYSXHFY", filters, "0.0000000000"),
                    _item("WFMWPV2NFFRWRASD", filters, prices[filters["instanceType"]]),
                ]
            answer = {"FormatVersion": "aws_v1", "PriceList": items}
            body = json.dumps(DENIED if denied else answer).encode()
            self.send_response(400 if denied else 200)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", requests
    finally:
        server.shutdown()
        server.server_close()
