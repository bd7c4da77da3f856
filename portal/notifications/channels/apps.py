from __future__ import annotations

from django.apps import AppConfig


class NoticeChannelsConfig(AppConfig):
    name = "portal.notifications.channels"
    # Django Channels is called `channels`.
    label = "notice_channels"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from portal.accounts.signals import access_ended, credential_ending
        from portal.core.secrets import further_columns
        from portal.notifications.channels.models import NoticeChannel, PushDevice
        from portal.notifications.channels.organization_channels import AddedByAdmins
        from portal.notifications.channels.web_push.devices import (
            forget_all,
            forget_browser,
        )
        from portal.notifications.channels.web_push.keys import newest_public_key
        from portal.notifications.channels.web_push.person import DevicesOfPerson
        from portal.notifications.receivers import organization_channels, person_channels

        if newest_public_key():
            person_channels[DevicesOfPerson.kind] = DevicesOfPerson()
        organization_channels.append(AddedByAdmins())
        access_ended.connect(forget_all)
        credential_ending.connect(forget_browser)
        further_columns.append((NoticeChannel, "secrets"))
        further_columns.append((PushDevice, "sealed"))
        return
