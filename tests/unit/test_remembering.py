"""What the settings say of memory holds for rules."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from automations.rule import Rule
from base.fields import FormError
from base.settings import Retention, Rules, Settings
from server.remembering import limits


def rule(within):
    trigger = {"count": "a", "at_least": 2, "within": within}
    return {"name": "r", "trigger": trigger, "actions": [{"emit": "b"}]}


def test_no_span_is_longer_than_events_are_kept():
    day = Settings(directory=Path(), retention=Retention(events=timedelta(days=1)))
    Rule.parse(rule("24h"), limits=limits(day))
    with pytest.raises(FormError, match="longer than events are kept"):
        Rule.parse(rule("25h"), limits=limits(day))


def test_the_lateness_of_the_settings_holds_where_a_trigger_names_none():
    patient = limits(Settings(directory=Path(), rules=Rules(allowed_lateness=timedelta(hours=1))))
    (trigger,) = Rule.parse(rule("24h"), limits=patient).triggers
    assert trigger.normalised()["lateness"] == 3_600_000_000
