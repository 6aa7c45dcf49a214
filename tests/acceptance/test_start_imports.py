"""What a start loads is what a server keeps in memory for good."""

import subprocess
import sys

RARE = (
    "apscheduler",
    "asyncpg",
    "automations.importing",
    "cel_expr_python.ext",
    "dateutil",
    "holidays",
    "hypothesis",
    "rich.console",
    "sqlalchemy.dialects.postgresql",
    "watchfiles.cli",
)
PROGRAM = f"""
import sys
from server.commands.serve import _without

with _without("rich.console", "rich.pretty"):
    from server.app import serve
from events.expression import WHERE, Expression

def loaded():
    return sorted(rare for rare in {RARE} if any(name.startswith(rare) for name in sys.modules))

Expression.compile("event.data.items.exists(i, i.sku.startsWith('X-'))", scope=WHERE)
print(loaded())
Expression.compile("event.?data.?total.orValue(0)", scope=WHERE)
print(loaded())
"""


def test_a_start_loads_nothing_of_what_few_servers_need():
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True
    )
    assert run.stdout.splitlines() == ["[]", "['cel_expr_python.ext']"]
