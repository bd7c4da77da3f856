"""The names of actors."""

from __future__ import annotations

from django import template

from portal.accounts.wording import who
from portal.organizations.acting import name_at

register = template.Library()
register.filter("who", who)
register.simple_tag(name_at, name="name_at")
