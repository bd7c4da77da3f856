"""Readiness for pages of the layers below, which know nothing of it."""

from __future__ import annotations

from django import template

from portal.mitigations.presentation import Frame
from portal.mitigations.wording.sessions import Say
from portal.readiness import now
from portal.readiness.gather import readiness_of

register = template.Library()


@register.simple_tag
def tonight(frame: Frame, say: Say) -> now.Tonight:
    return now.tonight(readiness_of(frame.membership, frame.now), say, frame.now)
