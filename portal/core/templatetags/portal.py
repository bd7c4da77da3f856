"""Template tags and filters for icons, and for numbers, times and lists in readable form."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from portal.core import formatting
from portal.core.icons import ICONS
from portal.core.targets import both_forms

register = template.Library()
register.filter("both_forms", both_forms)
register.filter("in_words", formatting.in_words)


@register.simple_tag
def icon(name: str, css: str = "i", label: str = "") -> SafeString:
    """An icon as inline SVG. Without a label it only decorates the text beside it."""
    # The shapes are our own constants, never typed text.
    shape = mark_safe(ICONS[name])  # noqa: S308  see above
    if label:
        return format_html(
            '<svg class="{}" viewBox="0 0 20 20" role="img" aria-label="{}">{}</svg>',
            css,
            label,
            shape,
        )
    return format_html(
        '<svg class="{}" viewBox="0 0 20 20" aria-hidden="true" focusable="false">{}</svg>',
        css,
        shape,
    )


@register.simple_tag
def form_error(message: str) -> SafeString:
    """What is wrong with a whole form; nothing for an empty message."""
    return _error(mark_safe(""), message)


@register.simple_tag
def field_error(name: str, message: str) -> SafeString:
    """What is wrong with the input of this id, which `described` ties to it."""
    return _error(format_html(' id="{}-e"', name), message)


def _error(attributes: SafeString, message: str) -> SafeString:
    if not message:
        return mark_safe("")
    words = '<p class="err"{} role="alert">{}<span>{}</span></p>'
    return format_html(words, attributes, icon("triangle"), message)


@register.simple_tag
def described(name: str, message: str, *, hint: object = True) -> SafeString:
    """The attributes of the input of this id: what describes it, and whether it is wrong.

    `hint`: whether it has a hint, with the id `<name>-h`.
    """
    ids = [f"{name}-e"] * bool(message) + [f"{name}-h"] * bool(hint)
    if not ids:
        return mark_safe("")
    invalid = ' aria-invalid="true"' if message else ""
    return format_html(invalid + ' aria-describedby="{}"', " ".join(ids))


@register.simple_tag
def stamp(at: datetime | None, form: str = "moment", *, zone: bool = False) -> SafeString:
    """A <time> with the exact moment for programs and a readable text for people.

    `form`: "moment"; "minute" without seconds; "since"; "clock" only next to the day; "day";
    "date". `zone`: with the time zone, in the first two.
    """
    if at is None:
        return mark_safe("")
    now = timezone.now()
    words = {
        "moment": formatting.moment(at, now, zone=zone),
        "minute": formatting.moment(at, now, seconds=False, zone=zone),
        "since": formatting.since(at, now),
        "clock": formatting.clock(at),
        "day": formatting.day(at, now),
        "date": formatting.date(at),
    }[form]
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        at.isoformat(),
        formatting.full_moment(at),
        words,
    )


@register.simple_tag
def zone(at: datetime) -> str:
    """The name of the time zone behind a time: "UTC", "CET"."""
    return formatting.zone_name(at)


@register.simple_tag
def time_zone() -> str:
    """The time zone of the times on the page: "UTC", "Europe/Prague"."""
    return timezone.get_current_timezone_name()


@register.simple_tag
def copies(text: str, what: str) -> SafeString:
    """A button that copies `text`; `what` names it for screen readers.

    If `text` is empty, it copies the <pre> beside it.
    """
    return format_html(
        (
            '<button class="copy" type="button" data-copies="{}">{}{}<span class="vh">Copy '
            "{}</span></button>"
        ),
        text,
        icon("copy"),
        icon("tick", "i done"),
        what,
    )


@register.simple_tag
def heard(at: datetime | None, summary: str = "Heard") -> SafeString:
    """ "Heard 2 s ago", kept current by a script; without JavaScript it is the age at the time the
    page was rendered.
    """
    if at is None:
        return mark_safe("")
    now = timezone.now()
    return format_html(
        '<time class="age" datetime="{}" title="{}" data-lead="{}" aria-hidden="true">{} {}</time>'
        '<span class="vh">{} {}</span>',
        at.isoformat(),
        formatting.full_moment(at),
        summary,
        summary,
        formatting.ago(at, now),
        summary,
        formatting.when(at, now),
    )


@register.filter
def bit_rate(value: Decimal | None) -> str:
    return formatting.bit_rate(value)


@register.filter
def amount(value: Decimal | None) -> str:
    return formatting.amount(value)


@register.filter
def tel(number: str) -> str:
    return formatting.tel(number)


@register.filter
def full_date(at: datetime) -> str:
    return formatting.date(at)


@register.filter
def indented(text: str) -> str:
    """Lines after the first one begin with spaces, so that none looks like an entry of a list."""
    return text.replace("\n", "\n  ")


@register.filter
def split(text: str, separator: str) -> list[str]:
    return text.split(separator)


@register.filter
def listed(words: list[str]) -> str:
    return formatting.listed(words)
