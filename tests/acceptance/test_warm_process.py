import subprocess
import sys

PROGRAM = """
import sys
from ensue import child
from ensue.rehearsal import rehearse

child.preload()
before, path = set(sys.modules), sys.path[:]
rehearse()
print(sorted(set(sys.modules) - before), sys.path == path, "rehearsal" in sys.modules)
"""


def test_after_a_rehearsal_a_run_imports_nothing_but_its_own_file():
    """What it had to import again would cost each run more than all the rest of its start."""
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True
    )
    assert run.stdout.strip() == "[] True False"
