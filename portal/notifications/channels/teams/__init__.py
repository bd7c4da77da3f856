"""Microsoft Teams, through a workflow that posts to a channel when it gets a webhook request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from portal.core.errors import Invalid
from portal.notifications.channels.channel import ChannelField
from portal.notifications.channels.receiver import post_json
from portal.notifications.channels.typed_values import check_url
from portal.notifications.message import NoticeMessage, ReceiverAnswer, Severity

HOSTS: Final = (".logic.azure.com", ".api.powerplatform.com", ".logic.azure.us")
"""Where Microsoft runs workflows."""
_COLORS: Final = {
    Severity.CRITICAL: "attention",
    Severity.WARNING: "warning",
    Severity.INFO: "accent",
    Severity.RESOLVED: "good",
}


class Teams:
    kind = "teams"
    name = "Microsoft Teams"
    fields: tuple[ChannelField, ...] = (
        ChannelField(
            name="workflow",
            label="Workflow URL",
            help_text="Teams shows it for the workflow “Send webhook alerts to a channel”.",
            is_secret=True,
            max_length=1_000,
        ),
    )

    def check(self, values: Mapping[str, str]) -> None:
        url = check_url(values, "workflow")
        host = (url.hostname or "").lower()
        if not host.endswith(HOSTS) or "/workflows/" not in url.path or "sig=" not in url.query:
            message = "Copy the whole address that Teams shows for the workflow."
            raise Invalid.at("workflow", "bad-value", message)

    def send(self, message: NoticeMessage, values: Mapping[str, str]) -> ReceiverAnswer:
        url = values["workflow"]
        card = {
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": None,
            "content": card_of(message),
        }
        body = {"type": "message", "attachments": [card]}
        return post_json(url, body, hidden=(url, urlsplit(url).query)).answer


def card_of(message: NoticeMessage) -> dict[str, object]:
    """An Adaptive Card 1.4. Its text is no Markdown."""

    def run(text: str, **more: object) -> dict[str, object]:
        return {"type": "TextRun", "text": text, **more}

    title = run(message.title, weight="bolder", color=_COLORS[message.severity])
    lines = [run(line) for line in message.text.splitlines() if line]
    return {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [{"type": "RichTextBlock", "inlines": [one]} for one in (title, *lines)],
        "actions": [{"type": "Action.OpenUrl", "title": "Open in the portal", "url": message.url}],
    }
