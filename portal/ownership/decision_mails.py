"""The mails about what portal staff decided: subject and body. Pure functions.

They name no other organization, also where two claims overlap.
"""

from __future__ import annotations

from portal.organizations.people_mails import PeopleMail


def verified(*, organization: str, name: str, value: str) -> PeopleMail:
    return PeopleMail(
        f"Portal staff verified {name}",
        f"""Hello,

the staff of the portal verified a resource of {organization}: {name}
({value}). You can request protection for it now.
""",
    )


def refused(*, organization: str, name: str, value: str, reason: str) -> PeopleMail:
    return PeopleMail(
        f"Portal staff refused {name}",
        f"""Hello,

the staff of the portal refused to verify a resource of {organization}: {name}
({value}). Given reason: {reason}

Publish a proof, or ask portal staff again, under Settings, Resources.
""",
    )
