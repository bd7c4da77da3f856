"""E-mail to people: text and HTML, one thread per request, and a link that stops the kind."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parseaddr
from hashlib import sha256
from smtplib import (
    SMTPAuthenticationError,
    SMTPException,
    SMTPRecipientsRefused,
    SMTPResponseException,
)
from typing import Final

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.template.loader import render_to_string

from portal.notifications.channels.channel import ChannelField
from portal.notifications.message import (
    MAX_ANSWER_CHARS,
    NoticeMessage,
    Outcome,
    ReceiverAnswer,
    Severity,
)

STEP_WITHIN_S: Final = 5.0
"""For each of the about nine exchanges with the mail server."""
MAX_SUBJECT: Final = 150
COLORS: Final = {
    Severity.CRITICAL: "#9d1c1c",
    Severity.WARNING: "#764700",
    Severity.INFO: "#0c5291",
    Severity.RESOLVED: "#0a6847",
}
"""Dark on white, as on the pages."""


class Email:
    """One message to one address through the portal's mail server."""

    kind = "email"
    name = "Email"
    fields: tuple[ChannelField, ...] = (
        ChannelField("to", "Address", "Where the notices go."),
        ChannelField("organization", "Organization", "Its name, for the foot of the mail."),
        ChannelField("about", "Kind", "The kind of notice, as people choose it."),
        ChannelField("stop", "Link", "Stops notices of this kind.", is_secret=True),
        ChannelField("choose", "Link", "Where the person chooses notices."),
    )

    def check(self, values: Mapping[str, str]) -> None:
        """The portal makes the values itself."""

    def send(self, message: NoticeMessage, values: Mapping[str, str]) -> ReceiverAnswer:
        if not (settings.EMAIL_HOST or settings.EMAIL_FILE_PATH):
            return ReceiverAnswer(Outcome.RETRY, "The portal has no mail server.")
        try:
            mail_of(message, values).send()
        except SMTPAuthenticationError as error:
            # The operator's password is wrong, not the message.
            return _answer(Outcome.RETRY, error)
        except SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            return _answer(_outcome(max(codes, default=0)), error)
        except SMTPResponseException as error:
            return _answer(_outcome(error.smtp_code), error)
        except (SMTPException, OSError) as error:
            return _answer(Outcome.RETRY, error)
        return ReceiverAnswer(Outcome.SENT, "The mail server accepted it.")


def _outcome(code: int) -> Outcome:
    """5yz: the server will never take it (RFC 5321 section 4.2.1)."""
    return Outcome.REFUSED if code >= 500 else Outcome.RETRY


def _answer(outcome: Outcome, error: Exception) -> ReceiverAnswer:
    words = " ".join(str(error).split()) or type(error).__name__
    return ReceiverAnswer(outcome, words[:MAX_ANSWER_CHARS])


def mail_of(message: NoticeMessage, values: Mapping[str, str]) -> EmailMultiAlternatives:
    """Text and HTML, with the headers of its thread."""
    context = {
        "title": message.title,
        "lines": [line for line in message.text.splitlines() if line],
        "url": message.url,
        "color": COLORS[message.severity],
        "organization": values["organization"],
        "about": values["about"],
        "stop": values.get("stop", ""),
        "choose": values["choose"],
        "portal_name": settings.PORTAL_NAME,
    }
    mail = EmailMultiAlternatives(
        subject=subject_of(message),
        body=render_to_string("notices/mail.txt", context),
        to=[values["to"]],
        headers=headers_of(message, values.get("stop", "")),
        connection=get_connection(timeout=STEP_WITHIN_S),
    )
    mail.attach_alternative(render_to_string("notices/mail.html", context), "text/html")
    return mail


def subject_of(message: NoticeMessage) -> str:
    """One line: a line break would start another header."""
    return " ".join(message.title.split())[:MAX_SUBJECT]


def headers_of(message: NoticeMessage, stop: str) -> dict[str, str]:
    """A mail program shows all messages of a thread together, because they refer to one id that
    never was a message. A repeated try has the same Message-ID.
    """
    root = thread_id(message.thread)
    headers = {
        "Message-ID": f"<{message.id}@{mail_domain()}>",
        "In-Reply-To": root,
        "References": root,
        "Date": _date(message),
        # No automatic answers (RFC 3834).
        "Auto-Submitted": "auto-generated",
    }
    if stop:
        headers["List-Unsubscribe"] = f"<{stop}>"
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return headers


def _date(message: NoticeMessage) -> str:
    return message.occurred_at.strftime("%a, %d %b %Y %H:%M:%S +0000")


def thread_id(thread: str) -> str:
    """The same for every message of a thread, and guessable from none."""
    word = sha256(f"{settings.SECRET_KEY}:{thread}".encode()).hexdigest()[:32]
    return f"<thread.{word}@{mail_domain()}>"


def mail_domain() -> str:
    """The domain of the sender's address."""
    _, address = parseaddr(settings.DEFAULT_FROM_EMAIL)
    return address.rpartition("@")[2] or "localhost"
