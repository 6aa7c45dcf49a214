"""Sends sample orders as the shop would: signed with HMAC-SHA256, over plain HTTP.

SHOP_WEBHOOK_SECRET=… python send.py [--url http://127.0.0.1:3678/hooks/shop]
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import os
import sys
import urllib.error
import urllib.request
from typing import Any

ORDERS: list[dict[str, Any]] = [
    {  # large, and of restricted goods: it is reviewed, and approved
        "id": "d1",
        "kind": "order.created",
        "order": {
            "id": "a1",
            "total": 1500,
            "country": "DE",
            "items": [{"sku": "X-1", "quantity": 1}, {"sku": "A-1", "quantity": 2}],
        },
    },
    {  # small: nothing ensues
        "id": "d2",
        "kind": "order.created",
        "order": {
            "id": "a2",
            "total": 20,
            "country": "DE",
            "items": [{"sku": "A-2", "quantity": 1}],
        },
    },
    {  # paid: it is packed
        "id": "d3",
        "kind": "order.paid",
        "order": {"id": "a2", "total": 20, "items": [{"sku": "A-2", "quantity": 1}]},
    },
    {  # paid, but not in stock: packing fails, and that is reported
        "id": "d4",
        "kind": "order.paid",
        "order": {"id": "a3", "total": 90, "items": [{"sku": "Z-9", "quantity": 1}]},
    },
]


def main() -> int:
    parser = argparse.ArgumentParser(description="Send signed sample orders.")
    parser.add_argument("--url", default="http://127.0.0.1:3678/hooks/shop")
    url = parser.parse_args().url
    secret = os.environ.get("SHOP_WEBHOOK_SECRET")
    if not secret:
        print("SHOP_WEBHOOK_SECRET is not set", file=sys.stderr)
        return 2
    answers = [send(url, order, secret) for order in ORDERS]
    return 0 if all(status in {200, 202} for status in answers) else 1


def send(url: str, order: dict[str, Any], secret: str) -> int:
    """Deliver one; the status of the answer, which is printed too."""
    body = json.dumps(order).encode()
    headers = {
        "Content-Type": "application/json",
        "X-Shop-Signature": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(),
    }
    request = urllib.request.Request(url, body, headers)  # noqa: S310 - the URL is the caller's own
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            status = answer.status
    except urllib.error.HTTPError as error:
        status = error.code
    print(f"{order['kind']} {order['order']['id']} → {status}")
    return status


if __name__ == "__main__":
    sys.exit(main())
