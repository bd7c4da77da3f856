"""The names of actors."""

from __future__ import annotations

from django import template

from portal.accounts.wording import who

register = template.Library()
register.filter("who", who)
