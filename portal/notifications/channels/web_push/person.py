"""The devices of a person as receivers of notices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from portal.accounts.models import User
from portal.notifications.channels.models import PushDevice
from portal.notifications.channels.web_push import WebPush
from portal.notifications.channels.web_push.devices import live_devices, values_of_device
from portal.notifications.channels.web_push.keys import newest_public_key
from portal.notifications.message import Outcome, ReceiverAnswer
from portal.notifications.models import Notice
from portal.notifications.receivers import WEB_PUSH, Route


class DevicesOfPerson:
    """A portal.notifications.receivers.PersonChannel."""

    kind = WEB_PUSH
    name = WebPush.name

    def addresses(self, users: Sequence[User]) -> Mapping[UUID, Sequence[str]]:
        """The ids of the devices of each, newest first; none if Web Push is not set up."""
        found: dict[UUID, list[str]] = {}
        if not newest_public_key():
            return found
        rows = live_devices().filter(user__in=users)
        for user_id, device_id in rows.values_list("user_id", "pk"):
            found.setdefault(user_id, []).append(str(device_id))
        return found

    def route(self, notice: Notice) -> Route | None:
        device = _device_of(notice)
        return None if device is None else Route(WebPush(), values_of_device(device))

    def answered(self, notice: Notice, answer: ReceiverAnswer, now: datetime) -> None:
        """A device that is gone is forgotten."""
        device = _device_of(notice)
        if device is None:
            return
        if answer.outcome is Outcome.GONE:
            device.delete()
        elif answer.outcome is Outcome.SENT:
            PushDevice.objects.filter(pk=device.pk).update(last_success_at=now)


def _device_of(notice: Notice) -> PushDevice | None:
    try:
        device_id = UUID(notice.receiver.rpartition(":")[2])
    except ValueError:
        return None
    return live_devices().filter(pk=device_id, user=notice.user_id).first()
