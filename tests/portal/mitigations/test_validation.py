from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from typing import Any
from uuid import UUID, uuid4

import pytest

from portal.core.errors import FieldError, Invalid
from portal.core.targets import PortRange, Target, Targets
from portal.mitigations.validation import (
    MAX_REASON_LENGTH,
    MAX_TARGETS,
    Checked,
    EligibleProvider,
    Policy,
    Resource,
    Submission,
    check,
    hours,
    within_limits,
)

SHOP = Resource(id=uuid4(), name="Shop front-end", target=Target.saved("prefix", "203.0.113.0/26"))
SITE = Resource(id=uuid4(), name="Shop", target=Target.saved("fqdn", "shop.acme.example"))
NORTHGATE = EligibleProvider(subscription=uuid4(), name="Northgate")
TIDEWALL = EligibleProvider(
    subscription=uuid4(), name="Tidewall", max_lifetime_s=86400, may_be_indefinite=False
)
POLICY = Policy(
    organization="Acme",
    default_lifetime_s=3600,
    max_lifetime_s=604800,
    may_be_indefinite=True,
    admins=("dana",),
)
ONE = Submission(prefixes=("203.0.113.7",))


def checked(
    submission: Submission, eligible_providers: list[EligibleProvider] | None = None
) -> Checked:
    return check(
        submission,
        resources=[SHOP, SITE],
        eligible_providers=[NORTHGATE, TIDEWALL]
        if eligible_providers is None
        else eligible_providers,
        policy=POLICY,
    )


def errors(
    submission: Submission, eligible_providers: list[EligibleProvider] | None = None
) -> list[FieldError]:
    with pytest.raises(Invalid) as caught:
        checked(submission, eligible_providers)
    return list(caught.value.errors)


def error(
    submission: Submission, eligible_providers: list[EligibleProvider] | None = None
) -> tuple[str, str, str]:
    (only,) = errors(submission, eligible_providers)
    return only.field, only.code, only.message


def test_a_prefix_is_enough() -> None:
    result = checked(ONE)

    assert result.scope == Targets.saved(prefixes=["203.0.113.7/32"])
    assert result.lifetime_s == 3600
    assert result.subscriptions == (NORTHGATE.subscription, TIDEWALL.subscription)
    assert result.name == "203.0.113.7/32"


def test_ticked_resources_are_added_to_the_scope_and_name_the_request() -> None:
    result = checked(Submission(resources=(SHOP.id, SITE.id), prefixes=("203.0.113.7",)))

    assert result.scope == Targets.saved(
        prefixes=["203.0.113.0/26", "203.0.113.7/32"], fqdns=["shop.acme.example"]
    )
    assert result.asked == Targets.saved(prefixes=["203.0.113.7/32"])
    assert result.name == "Shop front-end and 2 more"


def test_a_resource_that_is_ticked_twice_counts_once() -> None:
    once, twice = (checked(Submission(resources=(SHOP.id,) * count)) for count in (1, 2))

    assert twice == once


@pytest.mark.parametrize(
    ("submission", "name"),
    [
        (Submission(prefixes=("203.0.113.0/26",)), "Shop front-end"),
        (Submission(fqdns=("SHOP.acme.example",)), "Shop"),
        (Submission(prefixes=("203.0.113.0/27",)), "203.0.113.0/27"),
        (Submission(prefixes=("203.0.113.0/27", "203.0.113.0/26")), "203.0.113.0/27 and 1 more"),
        (Submission(resources=(SHOP.id,), prefixes=("203.0.113.0/26",)), "Shop front-end"),
    ],
)
def test_a_target_that_equals_a_resource_gets_the_name_of_the_resource(
    submission: Submission, name: str
) -> None:
    assert checked(submission).name == name


def test_an_empty_form_asks_for_a_target() -> None:
    assert error(Submission()) == (
        "targets",
        "required",
        "Choose at least one target. Nothing was sent.",
    )


def test_the_refusal_of_a_foreign_prefix_names_the_admins() -> None:
    assert error(Submission(prefixes=("198.51.100.0/24",))) == (
        "targets.prefixes.0",
        "not-verified",
        "198.51.100.0/24 is not one of Acme’s verified resources. "
        "Ask an admin (dana) to add it, or choose a listed one.",
    )


def test_each_wrong_target_has_an_error_at_its_field() -> None:
    wrong = errors(
        Submission(prefixes=("203.0.113.7", "203.0.113.7/24", "x/y"), fqdns=("evil.example",))
    )

    assert [(one.field, one.code) for one in wrong] == [
        ("targets.prefixes.1", "host-bits-set"),
        ("targets.prefixes.2", "not-a-prefix"),
        ("targets.fqdns.0", "not-verified"),
    ]
    assert wrong[0].fixes


def test_an_unknown_resource_is_refused() -> None:
    field, code, _ = error(Submission(prefixes=ONE.prefixes, resources=(uuid4(),)))

    assert (field, code) == ("targets.resources.0", "unknown-resource")


def test_ten_thousand_targets_are_one_error() -> None:
    field, code, message = error(Submission(prefixes=("203.0.113.7",) * 10_000))

    assert (field, code) == ("targets.prefixes", "too-many")
    assert message == f"10,000 targets are too many: at most {MAX_TARGETS} fit one request."


def test_targets_too_large_for_one_datagram_are_refused_with_the_size() -> None:
    names = tuple(f"{'n' * 50}{index}.shop.acme.example" for index in range(20))

    field, code, message = error(Submission(fqdns=names))

    assert (field, code) == ("targets", "too-large")
    assert "do not fit one message" in message


@pytest.mark.parametrize(
    ("text", "wrong"), [("203.0.113.7\0", "odd-characters"), ("9" * 1_000_000, "too-long")]
)
def test_invalid_targets_are_refused_and_shortened(text: str, wrong: str) -> None:
    _, code, message = error(Submission(prefixes=(text,)))

    assert code == wrong
    assert len(message) < 200
    assert "\0" not in message


def test_a_reversed_port_range_is_swapped() -> None:
    assert error(replace(ONE, ports=(PortRange(443, 80),))) == (
        "ports.0",
        "upside-down",
        "The range 443–80 is reversed. Write 80–443.",
    )


@pytest.mark.parametrize("ports", [PortRange(-1, 80), PortRange(80, 65536)])
def test_a_port_outside_the_range_is_refused(ports: PortRange) -> None:
    assert error(replace(ONE, ports=(ports,)))[:2] == ("ports.0", "out-of-range")


@pytest.mark.parametrize("protocol", [-1, 256, 10**12])
def test_a_protocol_outside_the_range_is_refused(protocol: int) -> None:
    assert error(replace(ONE, protocols=(6, protocol)))[:2] == ("protocols.1", "out-of-range")


@pytest.mark.parametrize("lifetime_s", [0, -2, 29])
def test_an_invalid_lifetime_is_refused(lifetime_s: int) -> None:
    assert error(replace(ONE, lifetime_s=lifetime_s))[:2] == ("lifetime", "out-of-range")


def test_the_shortest_limit_is_named_with_its_owner() -> None:
    assert error(replace(ONE, lifetime_s=86401)) == (
        "lifetime",
        "too-long",
        "Tidewall allows at most 24 hours. Choose 24 hours; it can renew automatically.",
    )
    assert error(replace(ONE, lifetime_s=10**12))[2].startswith("Acme allows at most 168 hours.")


def test_an_indefinite_lifetime_needs_permission_of_every_provider_asked() -> None:
    assert error(replace(ONE, lifetime_s=-1))[2].startswith(
        "Tidewall does not allow requests without an end."
    )
    assert checked(replace(ONE, lifetime_s=-1), [NORTHGATE]).lifetime_s == -1


def test_a_megabyte_of_reason_is_refused() -> None:
    field, code, message = error(replace(ONE, reason="x" * 2**20))

    assert (field, code) == ("reason", "too-long")
    assert (
        message
        == f"The reason has 1,048,576 characters: at most {MAX_REASON_LENGTH:,} are allowed."
    )


def test_nul_bytes_in_the_reason_are_refused() -> None:
    assert error(replace(ONE, reason="flood\0"))[:2] == ("reason", "odd-characters")


def test_chosen_providers_keep_their_order_of_priority() -> None:
    chosen: tuple[UUID, ...] = (TIDEWALL.subscription, NORTHGATE.subscription)

    assert checked(replace(ONE, subscriptions=chosen)).subscriptions == chosen[::-1]


def test_a_subscription_of_another_organization_is_refused() -> None:
    assert error(replace(ONE, subscriptions=(uuid4(),)))[:2] == (
        "subscriptions.0",
        "unknown-subscription",
    )


def test_an_organization_without_a_provider_gets_an_error() -> None:
    assert error(ONE, [])[:2] == ("subscriptions", "no-provider")


def test_an_unknown_strategy_is_refused() -> None:
    assert error(replace(ONE, strategy="hope"))[:2] == ("strategy", "unknown-strategy")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(3600, "1 hour"), (86400, "24 hours"), (5400, "90 minutes"), (45, "45 s")],
)
def test_lifetimes_are_written_in_whole_units(seconds: int, words: str) -> None:
    assert hours(seconds) == words


# what each provider may protect


OLD, NEW = "203.0.113.7/32", "203.0.113.33/32"
UNLIMITED = EligibleProvider(subscription=uuid4(), name="Harbour")
LIMITED = replace(NORTHGATE, limited_to=(ip_network("203.0.113.0/27"),))
OTHER = replace(TIDEWALL, limited_to=(ip_network("203.0.113.32/27"),))


def scopes(
    submission: Submission, eligible_providers: list[EligibleProvider]
) -> dict[str, list[str]]:
    assigned_scopes = checked(submission, eligible_providers).assigned_scopes.values()
    return {assigned.provider.name: list(assigned.targets) for assigned in assigned_scopes}


def test_each_provider_gets_only_the_targets_it_may_protect() -> None:
    mixed = Submission(prefixes=(OLD, NEW))

    assert scopes(mixed, [LIMITED, OTHER, UNLIMITED]) == {
        "Northgate": [OLD],
        "Tidewall": [NEW],
        "Harbour": [NEW, OLD],
    }


def test_a_provider_that_may_protect_no_target_is_left_out() -> None:
    assert checked(ONE, [LIMITED, OTHER]).subscriptions == (NORTHGATE.subscription,)


def test_a_target_that_no_provider_may_protect_has_an_error_at_its_field() -> None:
    assert error(Submission(prefixes=(OLD, NEW)), [LIMITED]) == (
        "targets.prefixes.1",
        "nobody-may-protect",
        "None of the selected providers may protect 203.0.113.33/32: Northgate may protect "
        "only 203.0.113.0/27.",
    )


def test_a_target_wider_than_the_limit_is_not_cut_to_it() -> None:
    field, code, _ = error(Submission(prefixes=("203.0.113.0/26",)), [LIMITED, OTHER])

    assert (field, code) == ("targets.prefixes.0", "nobody-may-protect")


def test_a_ticked_resource_that_no_provider_may_protect_has_an_error() -> None:
    field, _, message = error(Submission(resources=(SITE.id,)), [LIMITED, OTHER])

    assert field == "targets.resources.0"
    assert message == (
        "None of the selected providers may protect shop.acme.example: Northgate may "
        "protect only 203.0.113.0/27;"
        " Tidewall may protect only 203.0.113.32/27."
    )


def test_a_uri_with_an_address_is_as_good_as_the_address() -> None:
    uris = ("https://203.0.113.7/pay", "https://shop.acme.example/")

    assert scopes(Submission(uris=uris), [LIMITED, UNLIMITED]) == {
        "Northgate": ["https://203.0.113.7/pay"],
        "Harbour": sorted(uris),
    }


@pytest.mark.parametrize(
    ("limit", "submission", "reason"),
    [
        (
            {"takes_names": False},
            Submission(fqdns=("shop.acme.example",)),
            "Northgate accepts addresses, not names",
        ),
        (
            {"longest_prefix_v4": 24},
            Submission(prefixes=("203.0.113.7",)),
            "Northgate accepts no IPv4 prefix longer than /24",
        ),
    ],
)
def test_a_limit_of_one_provider_leaves_that_one_out(
    limit: dict[str, Any], submission: Submission, reason: str
) -> None:
    strict = replace(NORTHGATE, **limit)

    assert checked(submission, [strict, TIDEWALL]).subscriptions == (TIDEWALL.subscription,)
    assert error(submission, [strict])[2].endswith(f": {reason}.")


@pytest.mark.parametrize(
    ("limit", "submission", "field", "message"),
    [
        (
            {"max_targets": 1},
            Submission(prefixes=(OLD, NEW)),
            "targets",
            "Northgate accepts at most 1 target; this request has 2. Send several requests.",
        ),
        (
            {"max_port_ranges": 1},
            replace(ONE, ports=(PortRange(80, 80), PortRange(443, 443))),
            "ports",
            "Northgate accepts at most 1 port range. Leave some out.",
        ),
        (
            {"max_port_ranges": 0},
            replace(ONE, ports=(PortRange(80, 80),)),
            "ports",
            "Northgate accepts no ports. Leave some out.",
        ),
    ],
)
def test_a_provider_whose_limits_are_too_small_is_left_out_or_an_error(
    limit: dict[str, Any], submission: Submission, field: str, message: str
) -> None:
    strict = replace(NORTHGATE, **limit)

    assert checked(submission, [strict, TIDEWALL]).subscriptions == (TIDEWALL.subscription,)
    assert error(submission, [strict]) == (field, "beyond-limits", message)


def test_the_lifetime_limit_of_a_provider_that_is_left_out_does_not_matter() -> None:
    short = replace(OTHER, max_lifetime_s=60)

    assert checked(replace(ONE, lifetime_s=3600), [NORTHGATE, short]).lifetime_s == 3600
    assert short.subscription not in checked(ONE, [NORTHGATE, short]).subscriptions


@pytest.mark.parametrize(
    ("lifetime_s", "limits", "asked_s"),
    [
        (3600, {}, 3600),
        (3600, {"max_lifetime_s": 600}, 600),
        (-1, {"max_lifetime_s": 600}, -1),
        (-1, {"max_lifetime_s": 600, "may_be_indefinite": False}, 600),
        (-1, {"may_be_indefinite": False}, 3600),
    ],
)
def test_a_provider_that_joins_late_gets_the_targets_it_accepts(
    lifetime_s: int, limits: dict[str, Any], asked_s: int
) -> None:
    assert within_limits(lifetime_s, replace(NORTHGATE, **limits)) == asked_s
