"""What apps in higher layers need to know about people."""

from __future__ import annotations

from django.dispatch import Signal

second_factor_reset = Signal()
"""Sent in the transaction of a reset, with `user` and the `actor` who did it."""
