"""Every route, and the answer to each of the cast. A missing route fails a test.

charlie is an admin, but of another organization; bob is a viewer, dana an operator, paul an
approver, alice an admin. mo is portal staff; in the column "acting" she acts for Acme, in "staff"
for no one.

The tokens are three of alice, by scope, and three service tokens: "program" has the role operator,
"viewing program" the role viewer, "foreign program" belongs to another organization. The table of
the API has a column for "program"; test_tokens.py has a rule for each other token.
"""

from __future__ import annotations

from typing import Final

PEOPLE: Final = ("anonymous", "charlie", "bob", "dana", "paul", "alice", "staff", "acting")
PROGRAM: Final = "program"
TOKENS: Final = ("read", "request", "admin", PROGRAM, "viewing program", "foreign program")
