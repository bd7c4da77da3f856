"""All channels that an organization can add, in the order of the form."""

from __future__ import annotations

from typing import Final

from portal.notifications.channels.channel import ChannelKind
from portal.notifications.channels.matrix import Matrix
from portal.notifications.channels.mattermost import Mattermost
from portal.notifications.channels.ntfy import Ntfy
from portal.notifications.channels.opsgenie import Opsgenie
from portal.notifications.channels.pagerduty import PagerDuty
from portal.notifications.channels.slack import Slack
from portal.notifications.channels.teams import Teams
from portal.notifications.channels.telegram import Telegram
from portal.notifications.channels.twilio import Twilio
from portal.notifications.channels.webhook import Webhook

_ALL: Final[tuple[ChannelKind, ...]] = (
    Webhook(), Slack(), Teams(), Mattermost(), Matrix(), Telegram(), PagerDuty(), Opsgenie(),
    Ntfy(), Twilio(),
)  # fmt: skip
CHANNELS: Final[dict[str, ChannelKind]] = {one.kind: one for one in _ALL}
OWN_SECRET: Final = frozenset({Webhook.kind})
"""Their `secret` is the portal's: made with the channel, shown once, and replaced by a new one."""
