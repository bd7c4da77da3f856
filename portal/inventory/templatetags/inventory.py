"""Unknown mitigations for templates of lower layers, which must not import this package."""

from __future__ import annotations

from django import template

from portal.inventory import pages
from portal.mitigations.presentation import Frame

register = template.Library()


@register.simple_tag
def unknown_mitigations(frame: Frame) -> pages.Found:
    return pages.found(frame)
