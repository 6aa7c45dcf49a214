"""The tables of all floors: imported before a database is made, so that it has every one."""

from __future__ import annotations

import automations.tables
import engine.tables
import events.tables
import triggers.tables

FLOORS = (events.tables, triggers.tables, automations.tables, engine.tables)
