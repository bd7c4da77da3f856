"""What apps in higher layers need to know about people."""

from __future__ import annotations

from django.dispatch import Signal

access_ending = Signal()
"""Sent in the transaction that deactivates or deletes a person, before it locks the row of `user`.
Receivers take the locks under which other transactions check that the person may act.
"""
organizations_asked = Signal()
"""Sent with the `username` of a person. Receivers return the ids of the organizations of which that
person is a member, whose audit shows what happens to the person's account.
"""
second_factor_reset = Signal()
"""Sent in the transaction of a reset, with `user` and the `actor` who did it."""
