"""What one person does not see on a page that others see too."""

from __future__ import annotations

from uuid import UUID

from django import template
from django.template.context import Context

from portal.web.fragments import hidden_from as hidden_attribute

register = template.Library()


@register.simple_tag(takes_context=True)
def hidden_from(context: Context, person: UUID | None) -> str:
    """The attribute that hides an element from the person with this id."""
    mark = context.get("hidden_mark")
    who = "" if person is None else str(person)
    return str(mark(who)) if mark else hidden_attribute(context["request"], who)
