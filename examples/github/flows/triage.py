"""What is done about a new issue. Plain Python: it runs by itself too."""

from ensue import flow, get_run_logger, task

URGENT = {"bug", "security", "regression"}


@task
def rate(title: str, labels: list[str]) -> str:
    if URGENT & set(labels):
        return "high"
    return "low" if "typo" in title.lower() else "normal"


@flow(log_prints=True)
def triage_issue(repository: str, number: int, title: str, labels: list[str]) -> dict[str, object]:
    """Rate an issue by its labels and title."""
    print(f"looking at {repository}#{number}: {title}")
    priority = rate(title, labels)
    get_run_logger().info("rated %s", priority)
    return {"repository": repository, "number": number, "title": title, "priority": priority}


@flow(log_prints=True)
def announce(text: str) -> None:
    """Tell people. Here they read the log of the run."""
    print(text)


if __name__ == "__main__":
    announce(triage_issue("octo/hello", 1, "A typo in the README", ["documentation"])["priority"])
