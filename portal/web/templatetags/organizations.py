"""Navigation for error pages."""

from __future__ import annotations

import re
from typing import Final

from django import template
from django.template.context import Context

from portal.organizations.models import Membership
from portal.organizations.queries import memberships

register = template.Library()

_SLUG: Final = re.compile(r"/organizations/([-\w]+)")


@register.simple_tag(takes_context=True)
def own_membership(context: Context) -> Membership | None:
    """The membership for an error page's navigation: of the URL's organization, else the person's
    first; None before the second factor.
    """
    request = context.get("request")
    if known := getattr(request, "membership", None):
        return known if isinstance(known, Membership) else None
    user = getattr(request, "user", None)
    if request is None or user is None or not user.is_authenticated or not user.is_verified():
        return None
    own = list(memberships(user))
    match = _SLUG.match(request.path)
    here = (one for one in own if match and one.organization.slug == match[1])
    return next(here, own[0] if own else None)
