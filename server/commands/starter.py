"""The project that `ensue init` makes: small, and every part of it at work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_SETTINGS: Final = """\
# Everything here has a default. Variables (ENSUE_PORT) and flags (--port) come before it.

# port = 3678
# database = "postgresql://user@host/name"   # default: a file in .ensue/

# [retention]
# events = "30d"

[vars]
# What rules see as `vars`.
greeting = "Hello"
"""

_SOURCES: Final = """\
webhooks:
  inbox: # POST /hooks/inbox
    # Anybody who reaches this server may send. Before it is reachable from outside, say how
    # senders prove themselves, for example:
    #   verify: {scheme: github, secret: {env: GITHUB_WEBHOOK_SECRET}}
    verify: none
"""

_RULES: Final = """\
- name: greet-visitors
  description: Whoever is announced is greeted.
  trigger:
    event: webhook.inbox
    match:
      data: {visitor: [{exists: true}]}
  actions:
    - run: greet
      with: {name: "${event.data.visitor}", greeting: "${vars.greeting}"}
  tests:
    - name: a visitor is greeted
      given:
        - {type: webhook.inbox, data: {visitor: Ada}}
      expect:
        - {run: greet, with: {name: Ada, greeting: Hello}}
    - name: without a visitor nothing happens
      given:
        - {type: webhook.inbox, data: {weather: fine}}
      expect: []

- name: remember-greetings
  description: One thing leads to the next, since the end of a run is an event too.
  trigger:
    event: ensue.run.completed
    source: /flows/greet
  actions:
    - emit: visitor.greeted
      subject: "${event.data.parameters.name}"
      data: {said: "${event.data.result}"}
  tests:
    - name: a greeting is remembered
      given:
        - type: ensue.run.completed
          source: /flows/greet
          data: {parameters: {name: Ada}, result: "Hello, Ada!"}
      expect:
        - {emit: visitor.greeted, subject: Ada, data: {said: "Hello, Ada!"}}
"""

_FLOWS: Final = '''\
"""Flows are Python functions. This one also runs by itself: python flows/greet.py"""

from ensue import flow, get_run_logger, task


@task(retries=2, retry_delay_seconds=1)
def phrase(greeting: str, name: str) -> str:
    return f"{greeting}, {name}!"


@flow
def greet(name: str, greeting: str = "Hello") -> str:
    """Greet somebody, in the log."""
    said = phrase(greeting, name)
    get_run_logger().info(said)
    return said


if __name__ == "__main__":
    print(greet("world"))
'''

_README: Final = """\
# An Ensue project

    ensue serve           # here, in this directory
    ensue test            # the tests beside the rules
    ensue lint            # everything else that can be wrong

With the server running, in another terminal:

    curl http://127.0.0.1:3678/hooks/inbox --json '{"visitor": "Ada"}'
    ensue runs ls         # the rule greet-visitors has launched the flow greet
    ensue events tail     # and everything that happens is an event

| | |
|---|---|
| `sources/` | where events come from |
| `automations/` | rules: when this happens, that ensues; with their tests |
| `flows/` | what rules run |
| `ensue.toml` | settings |
| `.ensue/` | the database of this server; not for version control |

Files take effect when they are saved; what is wrong in one is told by the server, by
`ensue lint` and by `ensue automations ls`, while its last good version goes on working.
"""

FILES: Final[Mapping[str, str]] = {
    "ensue.toml": _SETTINGS,
    "sources/webhooks.yaml": _SOURCES,
    "automations/greetings.yaml": _RULES,
    "flows/greet.py": _FLOWS,
    "README.md": _README,
    ".gitignore": ".ensue/\n__pycache__/\n",
}
"""By path below the project directory."""
