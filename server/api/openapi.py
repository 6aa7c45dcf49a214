"""The API described by itself: OpenAPI 3.1, made from the routes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web

from server.route import Call, Form, Route, reply
from server.shapes import SHAPES
from server.spelling import JSON

_PROBLEM: Final = {
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
}
_EVENT_MEDIA: Final = ("application/cloudevents+json", JSON)
_PAGE: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Ensue</title>
<style>body{{font:16px/1.5 system-ui;max-width:44rem;margin:3rem auto;padding:0 1rem}}
code{{background:#8882;padding:.1em .3em;border-radius:.2em}}td{{padding-right:1rem}}</style>
<h1>Ensue</h1>
<p>When this happens, that ensues. This is a server of version {version}; its command line is
<code>ensue --help</code>.</p>
<table>{rows}</table>
"""


class OpenApi:
    """Describes the routes it is given, and its own."""

    def __init__(self, version: str) -> None:
        self._version = version
        self._routes: Sequence[Route] = ()

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/api/openapi.json", self.show, "This document."),
            Route("GET", "/", self.welcome, "What this is, for people.", answer="text/html"),
        ]

    def describe(self, routes: Iterable[Route]) -> None:
        """Those that the document is about."""
        self._routes = tuple(routes)

    async def show(self, _: Call) -> web.Response:
        return reply(document(self._routes, self._version))

    async def welcome(self, _: Call) -> web.Response:
        links = [route for route in self._routes if route.method == "GET" and "{" not in route.path]
        rows = "".join(
            f'<tr><td><a href="{route.path}">{route.path}</a><td>{escape(route.about)}'
            for route in links
        )
        page = _PAGE.format(version=escape(self._version), rows=rows)
        headers = {
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
            "X-Content-Type-Options": "nosniff",
        }
        return web.Response(text=page, content_type="text/html", headers=headers)


def document(routes: Iterable[Route], version: str) -> dict[str, Any]:
    """The OpenAPI document of these routes."""
    paths: dict[str, dict[str, Any]] = {}
    forms: dict[str, Any] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
        if isinstance(route.body, type):
            forms[route.body.__name__] = _schema(route.body)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Ensue",
            "version": version,
            "summary": "Event-driven automation",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {"schemas": {**SHAPES, **forms}},
    }


def _operation(route: Route) -> dict[str, Any]:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)\}", route.path)
    ]
    parameters += [
        {"name": p.name, "in": "query", "description": p.about, "schema": p.schema}
        for p in route.query
    ]
    described: dict[str, Any] = {
        "operationId": _name(route),
        "summary": route.about.partition(". ")[0].rstrip("."),
        "description": route.about,
        "responses": {str(route.status): _answer(route)}
        | {str(status): _error(status) for status in sorted({*route.errors, 500})},
    }
    if parameters:
        described["parameters"] = parameters
    if route.body is not None:
        described["requestBody"] = _body(route.body)
    return described


def _name(route: Route) -> str:
    """A name for programs: `GET /api/runs/{id}/logs` is `get_runs_id_logs`."""
    words = re.findall(r"\w+", route.path.removeprefix("/api"))
    return "_".join([route.method.lower(), *words])


def _answer(route: Route) -> dict[str, Any]:
    about = {"description": HTTPStatus(route.status).phrase}
    if route.answer in SHAPES:
        return {**about, "content": {JSON: {"schema": _ref(route.answer)}}}
    return {**about, "content": {route.answer: {}}}


def _error(status: int) -> dict[str, Any]:
    return {"description": HTTPStatus(status).phrase, **_PROBLEM}


def _body(body: type[Form] | str) -> dict[str, Any]:
    if not isinstance(body, str):
        return {"content": {JSON: {"schema": _ref(body.__name__)}}}
    if body == "CloudEvent":
        batch = {"type": "array", "items": _ref(body)}
        content = {media: {"schema": _ref(body)} for media in _EVENT_MEDIA}
        content["application/cloudevents-batch+json"] = {"schema": batch}
        return {"required": True, "content": content}
    return {"required": True, "content": {"*/*": {"schema": _ref(body)}}}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _schema(form: type[Form]) -> dict[str, Any]:
    return form.model_json_schema(ref_template="#/components/schemas/{model}")
