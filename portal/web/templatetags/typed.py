"""Saves typed forms when a session ends."""

from __future__ import annotations

from django import template
from django.template.context import Context
from django.utils.html import format_html
from django.utils.safestring import SafeString

from portal.web.accounts import typed

register = template.Library()


@register.simple_tag(takes_context=True)
def typed_by(context: Context, page: str) -> SafeString:
    """The hidden field that lets the form survive the end of the session.

    `page`: the path where it opens again.
    """
    mark = context.get("typed_mark")
    value = mark(page) if mark else typed.mark(context["request"], page)
    return format_html('<input type="hidden" name="{}" value="{}">', typed.FIELD, value)
