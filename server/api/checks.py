"""Draft rules, checked and tested before anybody applies them: `ensue lint` and `ensue test`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web
from pydantic import Field

from automations.channel_lint import channel_findings
from automations.finding import Finding
from automations.lint import FlowShape, lint
from automations.observed import MOST_EACH, SAMPLE, observe, wanted
from base.channel import Channel
from base.database import Database
from base.time import now
from server.drafts import MAX_BYTES, Laboratory
from server.rehearsed import rehearse_all
from server.route import Call, Form, Route, reply


class LintForm(Form):
    files: dict[str, str]
    """Rule files: their text, by their names."""
    events: int = Field(SAMPLE, ge=0, le=MOST_EACH)
    """Of each type so many of the newest events are looked at; none for 0."""


class TestForm(Form):
    files: dict[str, str]
    """Rule files: their text, by their names."""


class ChecksApi:
    def __init__(
        self,
        database: Database,
        laboratory: Laboratory,
        *,
        flows: Callable[[], Mapping[str, FlowShape]],
        channels: Mapping[str, Channel],
        variables: Mapping[str, Any],
    ) -> None:
        """`flows` are those that can run now."""
        self._database = database
        self._laboratory = laboratory
        self._flows = flows
        self._channels = channels
        self._variables = variables

    def routes(self) -> list[Route]:
        errors = (400, 403, 413, 415, 422, 503)
        return [
            Route(
                "POST",
                "/api/lint",
                self.lint,
                "What is wrong with draft rules: held against the flows, channels and events here.",
                body=LintForm,
                answer="Findings",
                errors=errors,
            ),
            Route(
                "POST",
                "/api/test",
                self.test,
                "Run the tests that stand beside draft rules, on a virtual clock.",
                body=TestForm,
                answer="Tests",
                errors=errors,
            ),
        ]

    async def lint(self, call: Call) -> web.Response:
        form = await call.form(LintForm, limit=MAX_BYTES)
        async with self._laboratory.place():
            loaded = await self._laboratory.read(form.files)
            triggers = [trigger for file in loaded.rules for trigger in file.rule.triggers]
            globs = wanted(leaf.selector for trigger in triggers for leaf in trigger.leaves)
            observed = None
            if form.events and globs:
                observed = await observe(self._database, globs, form.events)
            flows = self._flows()

            def check() -> list[Finding]:
                found = lint(loaded, flows, now=now(), observed=observed, variables=self._variables)
                return sorted(
                    [*found, *channel_findings(loaded, self._channels)], key=lambda one: one.order
                )

            findings = await asyncio.to_thread(check)
        return reply({"findings": [one.to_json() for one in findings], "rules": len(loaded.rules)})

    async def test(self, call: Call) -> web.Response:
        form = await call.form(TestForm, limit=MAX_BYTES)
        async with self._laboratory.place():
            loaded = await self._laboratory.read(form.files)
            found = await asyncio.to_thread(rehearse_all, loaded, self._variables)
            return reply(found.to_json())
