"""Where the rows of readiness lead."""

from __future__ import annotations

from django import template
from django.urls import reverse

from portal.core.formatting import tel
from portal.readiness.rows import Destination, Link

register = template.Library()


@register.simple_tag
def href(link: Link, slug: str) -> str:
    """`slug`: the organization whose readiness it is."""
    match link.to:
        case Destination.CALL:
            return tel(link.argument)
        case Destination.CHANNELS:
            return reverse("channels:channels", args=[slug])
        case Destination.DRILLS:
            return reverse("readiness:drills", args=[slug])
        case Destination.NEW_REQUEST:
            return reverse("requests:new", args=[slug])
        case Destination.PLAN:
            return reverse("standby:plan", args=[slug, link.argument])
        case Destination.PROVIDER:
            return reverse("connections:provider", args=[slug, link.argument])
        case Destination.PROVIDERS:
            return reverse("connections:providers", args=[slug])
        case Destination.UNKNOWN_MITIGATIONS:
            return f"{reverse('now:now', args=[slug])}#unknown"
