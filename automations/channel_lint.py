"""Channels that rules name, held against those of the settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from automations.finding import Finding, finding
from automations.notify_action import NotifyAction
from automations.reader import Loaded
from base.channel import Channel
from base.place import within
from base.suggest import hint


def channel_findings(loaded: Loaded, channels: Mapping[str, Channel]) -> Iterator[Finding]:
    """A channel that is not there, and tags that none of its addresses has."""
    there = f"there are {', '.join(sorted(channels))}" if channels else "ensue.toml has no channels"
    for file in loaded.rules:
        for action in (*file.rule.actions, *file.rule.on_resolve):
            deed = action.deed
            if not isinstance(deed, NotifyAction) or deed.channel is None:
                continue
            place = within(action.place, "notify")
            channel = channels.get(deed.channel)
            if channel is None:
                message = f"there is no channel `{deed.channel}`"
                advice = hint(deed.channel, channels) or there
                yield finding(file, "error", place, "channel_unknown", message, advice)
            elif deed.literal_tags and not channel.chosen(deed.literal_tags):
                tags = " or ".join(deed.literal_tags)
                message = f"no address of the channel `{deed.channel}` has the tag {tags}"
                yield finding(file, "error", within(action.place, "tags"), "channel_empty", message)
