"""Who is asked."""

from __future__ import annotations

from collections.abc import Sequence

from portal.mitigations.validation.submission import MAX_TARGETS, Ask, Errors, Policy, Submission


def chosen_asks(
    submission: Submission, asks: Sequence[Ask], policy: Policy, errors: Errors
) -> list[Ask]:
    if not asks:
        errors.add(
            "subscriptions",
            "no-provider",
            f"{policy.organization} has no provider that can be asked. Ask an admin to connect one.",
        )
        return []
    if not submission.subscriptions:
        return list(asks)
    wanted = set(submission.subscriptions)
    chosen = [ask for ask in asks if ask.subscription in wanted]
    known = {ask.subscription for ask in asks}
    for index, subscription in enumerate(submission.subscriptions[: MAX_TARGETS + 1]):
        if subscription not in known:
            errors.add(
                f"subscriptions.{index}",
                "unknown-subscription",
                "This provider is not connected for you. Choose a listed one.",
            )
    return chosen
