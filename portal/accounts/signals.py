"""What apps in higher layers need to know about people."""

from __future__ import annotations

from django.dispatch import Signal

access_ending = Signal()
"""Sent in the transaction that deactivates or deletes a person, resets the second factor or changes
the rights of staff, before it locks the row of `user`. Receivers take the locks under which other
transactions check that the person may act.
"""
rights_ending = Signal()
"""Sent after `access_ending` if the person loses every right, or the rights of staff change: with
the `user`.
"""
access_ended = Signal()
"""Sent in the transaction that ended all access of a person (services.end_access), with the `user`,
whose row is locked.
"""
credential_ending = Signal()
"""Sent in the transaction that ends a session or token, with the `credential` and its `user`."""
organizations_asked = Signal()
"""Sent with the `username` of a person. Receivers return the ids of the organizations of which that
person is a member, whose audit shows what happens to the person's account.
"""
second_factor_reset = Signal()
"""Sent in the transaction of a reset, with `user` and the `actor` who did it."""
password_accepted = Signal()
"""Sent with `user` after a correct password, or a passkey in place of one, before anything
is open. Receivers raise OtherSignInRequired if the person must sign in in another way.
"""
