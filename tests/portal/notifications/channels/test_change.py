"""Channels are added, changed and removed by admins, with an audit entry and without secrets."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from portal.accounts.actors import Actor
from portal.accounts.models import User
from portal.audit.models import AuditEntry
from portal.core import secrets
from portal.core.errors import Conflict, Invalid, NotAllowed, NotFound, SecretUnreadable
from portal.notifications.channels.models import ChannelValue, NoticeChannel
from portal.notifications.channels.sealed_values import unsealed, values_of
from portal.notifications.channels.services.change import (
    MAX_CHANNELS,
    ChannelDraft,
    add_channel,
    change_channel,
    end_previous_secret,
    remove_channel,
    rotate_secret,
)
from portal.notifications.kinds import NoticeKind
from portal.organizations.integrations import PREVIOUS_SECRET_HOLDS
from portal.organizations.models import Organization
from tests.portal.notifications.channels.conftest import AddWebhook

URL = "https://example.com/hook"


def codes(refused: pytest.ExceptionInfo[Invalid]) -> list[tuple[str, str]]:
    return [(one.field, one.code) for one in refused.value.errors]


def test_the_secret_is_encrypted_at_rest_and_in_no_entry(add_webhook: AddWebhook) -> None:
    channel = add_webhook(URL)

    [secret] = unsealed(channel).values()
    saved = NoticeChannel.objects.get()
    assert secret.startswith("whsec_")
    assert secret.encode() not in bytes(saved.secrets)
    assert secret not in str(list(AuditEntry.objects.values()))
    entry = AuditEntry.objects.get(verb="notice_channel.added")
    assert (entry.after or {})["url"] == URL


def test_its_column_is_encrypted_again_with_a_new_key() -> None:
    assert (NoticeChannel, "secrets") in secrets.further_columns


def test_only_admins_of_the_organization_change_channels(
    add_webhook: AddWebhook, dana: User, charlie: User, acme: Organization
) -> None:
    channel = add_webhook(URL)

    for person, error in ((dana, NotAllowed), (charlie, NotFound)):
        actor = Actor.person(person)
        with pytest.raises(error):
            add_channel(
                organization=acme, actor=actor, kind="webhook", draft=ChannelDraft(name="x")
            )
        with pytest.raises(error):
            change_channel(channel=channel, actor=actor, draft=ChannelDraft(name="x"))
        with pytest.raises(error):
            rotate_secret(channel=channel, actor=actor)
        with pytest.raises(error):
            remove_channel(channel=channel, actor=actor)


@pytest.mark.parametrize(
    ("draft", "expected"),
    [
        ({"name": ""}, ("name", "bad-name")),
        ({"name": "x" * 61}, ("name", "bad-name")),
        ({"name": "Night shift"}, ("name", "name-taken")),
        ({"name": "a", "values": {}}, ("values.url", "required")),
        ({"name": "a", "values": {"url": "  "}}, ("values.url", "required")),
        ({"name": "a", "values": {"url": "http://example.com"}}, ("values.url", "not-https")),
        ({"name": "a", "values": {"url": URL + "x" * 500}}, ("values.url", "too-long")),
        ({"name": "a", "values": {"url": URL, "secret": "x"}}, ("values.secret", "unknown-field")),
        ({"name": "a", "notice_kinds": ["other"]}, ("notice_kinds", "not-a-choice")),
        ({"name": "a", "min_severity": "resolved"}, ("min_severity", "not-a-choice")),
    ],
)
def test_a_value_that_cannot_work_is_refused_at_its_field(
    add_webhook: AddWebhook,
    acme: Organization,
    alice: User,
    draft: dict[str, Any],
    expected: tuple[str, str],
) -> None:
    add_webhook(URL)

    with pytest.raises(Invalid) as refused:
        add_channel(
            organization=acme,
            actor=Actor.person(alice),
            kind="webhook",
            draft=ChannelDraft(**{"values": {"url": URL}, **draft}),
        )

    assert codes(refused) == [expected]
    assert NoticeChannel.objects.count() == 1


def test_a_kind_that_does_not_exist_is_refused(acme: Organization, alice: User) -> None:
    with pytest.raises(Invalid) as refused:
        add_channel(
            organization=acme, actor=Actor.person(alice), kind="fax", draft=ChannelDraft(name="a")
        )

    assert codes(refused) == [("kind", "not-a-choice")]


def test_an_organization_has_so_many_channels_and_no_more(add_webhook: AddWebhook) -> None:
    for number in range(MAX_CHANNELS):
        add_webhook(URL, name=f"Channel {number}")

    with pytest.raises(Conflict) as refused:
        add_webhook(URL, name="One more")

    assert refused.value.code == "too-many-channels"


def test_a_change_records_what_changed(add_webhook: AddWebhook, alice: User) -> None:
    channel = add_webhook(URL)

    changed = change_channel(
        channel=channel,
        actor=Actor.person(alice),
        draft=ChannelDraft(
            values={"url": "https://example.org/"},
            notice_kinds=[NoticeKind.REFUSED, NoticeKind.NOT_REACHED],
            min_severity="critical",
        ),
    )

    assert changed.notice_kinds == ("request.not_reached", "request.refused")
    entry = AuditEntry.objects.get(verb="notice_channel.changed")
    assert entry.before == {"url": URL, "notice_kinds": [], "min_severity": "info"}
    assert (entry.after or {})["url"] == "https://example.org/"
    change_channel(channel=channel, actor=Actor.person(alice), draft=ChannelDraft())
    assert AuditEntry.objects.filter(verb="notice_channel.changed").count() == 1


def test_a_value_that_may_be_empty_is_filled_in_and_emptied_again(
    acme: Organization, alice: User
) -> None:
    actor = Actor.person(alice)
    typed = ChannelDraft(name="On call", values={"key": "k" * 32})
    channel, _ = add_channel(organization=acme, actor=actor, kind="pagerduty", draft=typed)

    for region in ("eu", ""):
        draft = ChannelDraft(values={"region": region})
        channel = change_channel(channel=channel, actor=actor, draft=draft)
        channel.refresh_from_db()
        saved = {one.name: one.value for one in channel.values}
        assert saved == ({"region": region} if region else {})

    filled, emptied = AuditEntry.objects.filter(verb="notice_channel.changed").order_by("pk")
    assert (filled.before, filled.after) == ({}, {"region": "eu"})
    assert (emptied.before, emptied.after) == ({"region": "eu"}, {})


def test_a_channel_whose_secrets_no_key_fits_can_be_switched_off(
    add_webhook: AddWebhook, alice: User
) -> None:
    channel = add_webhook(URL)
    NoticeChannel.objects.update(secrets=b"of a lost key")

    draft = ChannelDraft(name="Old", is_enabled=False)
    changed = change_channel(channel=channel, actor=Actor.person(alice), draft=draft)

    assert (changed.name, changed.is_enabled) == ("Old", False)
    with pytest.raises(SecretUnreadable):
        change_channel(
            channel=channel, actor=Actor.person(alice), draft=ChannelDraft(values={"url": URL})
        )


def test_a_new_secret_signs_beside_the_former_one_for_a_week(
    add_webhook: AddWebhook, alice: User
) -> None:
    channel = add_webhook(URL)
    former = unsealed(channel)["secret"]

    rotated, secret = rotate_secret(channel=channel, actor=Actor.person(alice))

    now = timezone.now()
    assert values_of(rotated, now) == {"url": URL, "secret": secret, "previous_secret": former}
    later = now + PREVIOUS_SECRET_HOLDS + timedelta(seconds=1)
    assert values_of(rotated, later) == {"url": URL, "secret": secret}


def test_an_admin_can_end_the_former_secret_at_once(add_webhook: AddWebhook, alice: User) -> None:
    channel, actor = add_webhook(URL), Actor.person(alice)
    _, secret = rotate_secret(channel=channel, actor=actor)

    ended = end_previous_secret(channel=channel, actor=actor)
    again = end_previous_secret(channel=channel, actor=actor)

    assert values_of(ended, timezone.now()) == {"url": URL, "secret": secret}
    assert again.previous_until is None
    assert AuditEntry.objects.filter(verb="notice_channel.previous_secret_ended").count() == 1


def test_a_removed_channel_is_gone_with_its_secrets(add_webhook: AddWebhook, alice: User) -> None:
    channel, actor = add_webhook(URL), Actor.person(alice)

    remove_channel(channel=channel, actor=actor)

    assert not NoticeChannel.objects.exists()
    with pytest.raises(NotFound):
        remove_channel(channel=channel, actor=actor)


def test_a_channel_whose_address_is_no_longer_allowed_can_be_switched_off(
    add_webhook: AddWebhook, alice: User
) -> None:
    channel, actor = add_webhook(URL), Actor.person(alice)
    NoticeChannel.objects.update(values=(ChannelValue("url", "https://10.0.0.1/"),))

    off = change_channel(channel=channel, actor=actor, draft=ChannelDraft(is_enabled=False))

    assert not off.is_enabled
    draft = ChannelDraft(values={"url": "https://10.0.0.2/"})
    with pytest.raises(Invalid):
        change_channel(channel=off, actor=actor, draft=draft)
