import subprocess
import sys

HEAVY = ("apscheduler", "dateutil", "holidays", "tzlocal")
PROGRAM = """
import sys
from base.fields import Complaints
from triggers.schedule import Schedule

def loaded():
    return sorted(name for name in {heavy} if name in sys.modules)

def parse(**form):
    return Schedule.parse(form, "trigger", Complaints("trigger_invalid"))

parse(every="1h", timezone="Europe/Berlin", where="now.getHours() > 1").next_after(0)
print(loaded())
parse(cron="@daily").next_after(0)
print(loaded())
parse(rrule="FREQ=DAILY")
print(loaded())
parse(every="1h", where="holiday(now, 'DE')")
print("holidays" in loaded())
"""


def test_what_a_rule_does_not_need_takes_no_memory():
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(heavy=HEAVY)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert run.stdout.splitlines() == [
        "[]",
        "['apscheduler', 'tzlocal']",
        "['apscheduler', 'dateutil', 'tzlocal']",
        "True",
    ]
