"""Packing: every item of an order is fetched from a warehouse that is not always reachable."""

from ensue import flow, task

STOCK = {"A-1": 100, "A-2": 10, "X-1": 5}
asked: set[str] = set()


@task(retries=2, retry_delay_seconds=[0.05, 0.2], task_run_name="fetch-{sku}")
def fetch(sku: str, quantity: int) -> int:
    """Take a quantity off the shelf. The warehouse is busy the first time it is asked."""
    if sku not in asked:
        asked.add(sku)
        raise ConnectionError("the warehouse is busy")
    if STOCK.get(sku, 0) < quantity:
        raise LookupError(f"{quantity} of {sku} are not in stock")
    print(f"{quantity} of {sku}")
    return quantity


@flow(log_prints=True)
def pack_order(order: str, items: list[dict[str, object]]) -> dict[str, object]:
    """Fetch all items of an order side by side and pack them."""
    fetched = fetch.map([item["sku"] for item in items], [item["quantity"] for item in items])
    pieces = sum(fetched.result())
    print(f"packed {order}")
    return {"order": order, "pieces": pieces}


if __name__ == "__main__":
    print(pack_order("a1", [{"sku": "A-1", "quantity": 2}, {"sku": "A-2", "quantity": 1}]))
