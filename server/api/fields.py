"""What events have been like: the fields that a sample of each type had."""

from __future__ import annotations

from aiohttp import web
from pydantic import Field

from automations.observed import MOST_EACH, MOST_GLOBS, SAMPLE, observe
from base.database import Database
from base.errors import ConfigurationError, UnprocessableError
from server.drafts import Laboratory
from server.route import Call, Form, Route, reply
from triggers.glob import Glob


class FieldsForm(Form):
    types: list[str] = Field(["*"], max_length=MOST_GLOBS)
    """Globs on the type, as in rules: `*` alone does not reach the service's own."""
    most: int = Field(SAMPLE, ge=1, le=MOST_EACH)
    """Of each type the newest so many are looked at, of very many types fewer."""


class FieldsApi:
    def __init__(self, database: Database, laboratory: Laboratory) -> None:
        self._database = database
        self._laboratory = laboratory

    def routes(self) -> list[Route]:
        return [
            Route(
                "POST",
                "/api/fields",
                self.fields,
                "What events have been like: of each type, the fields that its newest events had.",
                body=FieldsForm,
                answer="Fields",
                errors=(400, 403, 413, 415, 422, 503),
            )
        ]

    async def fields(self, call: Call) -> web.Response:
        form = await call.form(FieldsForm)
        globs = [_glob(text, number) for number, text in enumerate(form.types)]
        async with self._laboratory.place():
            found = await observe(self._database, globs, form.most)
        return reply(found.to_json())


def _glob(text: str, number: int) -> Glob:
    try:
        return Glob.parse(text, f"$.types[{number}]")
    except ConfigurationError as error:
        raise UnprocessableError(
            error.message, code="field_invalid", place=error.place, hint=error.hint
        ) from None
