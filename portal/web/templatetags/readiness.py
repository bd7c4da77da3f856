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
        case Destination.DRILLS:
            return reverse("readiness:drills", args=[slug])
        case Destination.NEW_REQUEST:
            return reverse("requests:new", args=[slug])
        case Destination.PLAN:
            return reverse("standby:plan", args=[slug, link.argument])
        case Destination.SUBSCRIPTION:
            return reverse("admin:providers_subscription_change", args=[link.argument])
        case Destination.UNKNOWN_MITIGATIONS:
            return f"{reverse('now:now', args=[slug])}#unknown"
