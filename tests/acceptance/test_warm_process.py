"""What each run had to import again would cost it more than all the rest of its start."""

import subprocess
import sys

REHEARSAL = """
import sys
from ensue import child
from ensue.rehearsal import rehearse

child.preload()
before, path = set(sys.modules), sys.path[:]
rehearse()
print(sorted(set(sys.modules) - before), sys.path == path, "rehearsal" in sys.modules)
"""
FLOWS = """
import sys
from ensue import child

child.preload()
before = set(sys.modules)
from datetime import datetime
from pydantic import BaseModel, Field
from ensue import emit, flow, get_run_logger, task

class Order(BaseModel):
    id: str
    total: float = Field(0, ge=0)
    due: datetime | None = None

@task(retries=2)
def score(order: Order) -> float:
    return order.total

@flow(retries=1, timeout_seconds=60, log_prints=True)
def review(order: Order) -> float:
    return score.submit(order).result()

print(sorted(set(sys.modules) - before))
"""


def said(program):
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    return run.stdout.strip()


def test_after_a_rehearsal_a_run_imports_nothing_but_its_own_file():
    assert said(REHEARSAL) == "[] True False"


def test_a_file_of_flows_and_models_finds_all_of_it_loaded():
    assert said(FLOWS) == "[]"
