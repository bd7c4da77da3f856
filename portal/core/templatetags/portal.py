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
def stamp(at: datetime | None, form: str = "moment") -> SafeString:
    """A <time> with the exact moment for programs and a readable text for people.

    `form`: "moment"; "minute" without seconds; "since"; "clock" only next to the day; "day";
    "date".
    """
    if at is None:
        return mark_safe("")
    now = timezone.now()
    words = {
        "moment": formatting.moment(at, now),
        "minute": formatting.moment(at, now, seconds=False),
        "since": formatting.since(at, now),
        "clock": formatting.clock(at),
        "day": formatting.day(at, now),
        "date": formatting.date(at),
    }[form]
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', at.isoformat(), in_full(at), words
    )


def in_full(at: datetime) -> str:
    """The tooltip of a <time>: "28 November 2026, 18:10:05 UTC"."""
    return f"{formatting.date(at)}, {formatting.clock(at)} UTC"


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
        in_full(at),
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
def split(text: str, separator: str) -> list[str]:
    return text.split(separator)


@register.filter
def listed(words: list[str]) -> str:
    return formatting.listed(words)
