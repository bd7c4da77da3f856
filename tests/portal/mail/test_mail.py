"""Mail waits in the database until the mail server accepts it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from portal import env
from portal.mail import services
from portal.mail.models import OutgoingMail

BODY = "Open https://portal.example/invitations/secret-word"


def test_a_saved_mail_is_sent_once_and_its_body_is_encrypted_until_then(db: None) -> None:
    services.queue_mail(to="eve@example.com", subject="Join\nBcc: all@example.com", body=BODY)
    [row] = OutgoingMail.objects.all()
    assert b"secret-word" not in bytes(row.encrypted_body)

    sent = [services.send_due(now=timezone.now()) for _ in range(2)]

    [message] = mail.outbox
    assert sent == [1, 0]
    assert (message.to, message.body) == (["eve@example.com"], BODY)
    assert message.subject == "Join Bcc: all@example.com"
    assert not OutgoingMail.objects.exists()


def test_a_mail_server_that_is_away_is_asked_again_later_and_given_up_at_last(
    db: None, settings: Any
) -> None:
    # Nothing listens there.
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_USE_TLS = "127.0.0.1", 1, False
    services.queue_mail(to="eve@example.com", subject="Join", body=BODY)
    now = timezone.now()

    assert services.send_due(now=now) == 0

    row = OutgoingMail.objects.first()
    assert row is not None
    assert (row.tries, row.next_try_at) == (1, now + services.FIRST_PAUSE)
    pauses = []
    while row := OutgoingMail.objects.first():
        pauses.append(row.next_try_at - now)
        now = row.next_try_at
        services.send_due(now=now)
    assert len(pauses) == services.MAX_TRIES - 1
    assert max(pauses) == services.LONGEST_PAUSE


def test_more_mail_than_one_run_may_send_waits_for_the_next_run(db: None) -> None:
    for _ in range(services.MAX_SENT_AT_ONCE + 1):
        services.queue_mail(to="eve@example.com", subject="Join", body=BODY)
    later = timezone.now() + timedelta(seconds=1)

    assert [services.send_due(now=later) for _ in range(3)] == [services.MAX_SENT_AT_ONCE, 1, 0]


def test_a_portal_without_a_mail_server_says_so(db: None, settings: Any) -> None:
    settings.EMAIL_HOST, settings.EMAIL_FILE_PATH = "", None

    with pytest.raises(services.MailNotConfigured, match="PORTAL_MAIL_URL"):
        services.queue_mail(to="eve@example.com", subject="Join", body=BODY)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("", env.Mail()),
        ("file:///var/mail%20box", env.Mail(folder="/var/mail box")),
        (
            "smtp://me:p%40ss@mail.example",
            env.Mail(host="mail.example", port=587, user="me", password="p@ss", starts_tls=True),
        ),
        ("smtps://mail.example", env.Mail(host="mail.example", port=465, is_tls=True)),
        ("smtp://127.0.0.1:25?tls=no", env.Mail(host="127.0.0.1", port=25)),
    ],
)
def test_the_address_of_the_mail_server_is_read(url: str, expected: env.Mail) -> None:
    assert env.mail(url) == expected


@pytest.mark.parametrize(
    "url", ["mail.example", "http://mail.example", "smtp://", "smtp://a:x", "smtp://a?tls=maybe"]
)
def test_a_wrong_address_of_the_mail_server_is_refused(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="PORTAL_MAIL_URL"):
        env.mail(url)
