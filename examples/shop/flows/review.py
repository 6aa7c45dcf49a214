"""What is looked at before a large order ships."""

from ensue import flow, get_run_logger, task


@task
def risk(total: float, skus: list[str]) -> float:
    """From 0 to 1: dear orders of many restricted goods are risky."""
    restricted = sum(sku.startswith("X-") for sku in skus)
    return min(1.0, total / 10_000 + restricted / 10)


@flow
def review_order(order: str, total: float, skus: list[str]) -> dict[str, object]:
    """Approve or decline an order."""
    found = risk(total, skus)
    approved = found < 0.5
    get_run_logger().info("%s: risk %.2f, %s", order, found, "approved" if approved else "declined")
    return {"order": order, "approved": approved, "risk": found}


if __name__ == "__main__":
    print(review_order("a1", 1500, ["X-1"]))
