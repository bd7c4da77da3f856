"""The client sends every request that passes the check, and every refusal is an error
at its field.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_network
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from dots_client.rules import encode_request, request_bytes, request_overhead_bytes
from portal.core.errors import FieldError, Invalid
from portal.core.targets import PortRange, Target
from portal.mitigations.validation import (
    MESSAGE_LIMIT_BYTES,
    Checked,
    EligibleProvider,
    Policy,
    Resource,
    Submission,
    check,
    wire_scope,
    within_limits,
)

SUBSCRIPTION = uuid4()
EVERYTHING = [
    Resource(id=uuid4(), name=value, target=Target.saved(kind, value))
    for kind, value in (("prefix", "0.0.0.0/0"), ("prefix", "::/0"), ("fqdn", "example"))
]
"""Resources as in rows: every typed target belongs to the organization."""
POLICY = Policy(
    organization="Acme", default_lifetime_s=3600, max_lifetime_s=2**32 - 1, may_be_indefinite=True
)
TARGETS = ("prefixes", "fqdns", "uris")
CUIDS = ("x" * 22, str(UUID(int=0)))


def check_it(submission: Submission, *more: Resource, **limits: Any) -> Checked:
    provider = EligibleProvider(subscription=SUBSCRIPTION, name="Northgate", **limits)
    return check(
        submission, resources=[*EVERYTHING, *more], eligible_providers=[provider], policy=POLICY
    )


def outcome_of(
    submission: Submission, **limits: Any
) -> tuple[Checked | None, Sequence[FieldError]]:
    try:
        return check_it(submission, **limits), ()
    except Invalid as error:
        return None, error.errors


def without_what_is_wrong(submission: Submission, errors: Sequence[FieldError]) -> Submission:
    """Remove each invalid value, or half the values if there are too many."""
    kept: dict[str, list[Any]] = {
        name: list(getattr(submission, name))
        for name in ("prefixes", "fqdns", "uris", "resources", "ports", "protocols")
    }
    for error in reversed(errors):
        name, _, place = error.field.removeprefix("targets.").partition(".")
        if place:
            del kept[name][int(place)]
        elif error.code == "required":
            kept["prefixes"] = ["203.0.113.9"]
        elif error.code in ("too-many", "too-large"):
            for one in TARGETS if name == "targets" else (name,):
                kept[one] = kept[one][: len(kept[one]) // 2]
    is_too_long = any(error.field == "lifetime" for error in errors)
    fields: dict[str, Any] = {name: tuple(values) for name, values in kept.items()}
    fields["lifetime_s"] = 60 if is_too_long else submission.lifetime_s
    return replace(submission, **fields)


def errors_of(submission: Submission, *more: Resource) -> list[FieldError]:
    with pytest.raises(Invalid) as caught:
        check_it(submission, *more)
    return list(caught.value.errors)


PREFIXES = st.one_of(
    st.ip_addresses().map(str),
    st.tuples(st.ip_addresses(), st.integers(0, 128)).map(
        lambda pair: str(ip_network((pair[0], pair[1] % (pair[0].max_prefixlen + 1)), strict=False))
    ),
    st.sampled_from([
        "0.0.0.0/1", "::/1", "::ffff:203.0.113.0/120", "::fffe:0:0/95", "126.0.0.0/7",
        "192.0.0.0/2",
        "255.255.255.255", "255.255.255.254/31", "224.0.0.0/4", "fe00::/7", "::/127", "0.0.0.0",
    ]),
    st.text(max_size=30),
)  # fmt: skip
NAMES = st.one_of(
    st.text(max_size=40),
    st.text(max_size=40).map(lambda label: f"{label}.example"),
    st.from_regex(r"[a-zß_\-]{1,70}(\.[a-z0-9\-]{1,64}){0,4}\.example\.?", fullmatch=True),
)
URIS = st.one_of(
    st.text(max_size=40),
    st.text(max_size=40).map(lambda path: f"https://a.example/{path}"),
    st.text(max_size=20).map(lambda host: f"https://{host}.example/"),
    st.integers(-1, 70_000).map(lambda port: f"https://a.example:{port}/"),
)
PORTS = st.builds(PortRange, st.integers(-1, 65_536), st.integers(-1, 65_536))
NEAR_PORTS = st.builds(PortRange, st.integers(78, 82), st.integers(78, 92))
LIMITS = st.fixed_dictionaries({
    "max_lifetime_s": st.none() | st.integers(60, 2**32 - 1),
    "may_be_indefinite": st.booleans(),
})  # fmt: skip


@given(
    st.builds(
        Submission,
        prefixes=st.lists(PREFIXES, max_size=33).map(tuple),
        fqdns=st.lists(NAMES, max_size=4).map(tuple),
        uris=st.lists(URIS, max_size=4).map(tuple),
        resources=st.lists(st.sampled_from([one.id for one in EVERYTHING]), max_size=3).map(tuple),
        ports=st.lists(PORTS | NEAR_PORTS, max_size=6).map(tuple),
        protocols=st.lists(st.integers(-1, 256), max_size=6).map(tuple),
        lifetime_s=st.none() | st.integers(-2, 2**33),
    ),
    LIMITS,
)
@example(Submission(prefixes=("203.0.113.9",), ports=(PortRange(80, 90), PortRange(80, 100))), {})
@example(Submission(prefixes=("203.0.113.9",), ports=(PortRange(80, 80), PortRange(80, 90))), {})
@example(Submission(prefixes=("::ffff:203.0.113.0/120",)), {})
@example(Submission(prefixes=("0.0.0.0/1",)), {})
@example(Submission(uris=("https://shop.example/a\tb",)), {})
def test_removing_every_reported_error_makes_a_sendable_request(
    submission: Submission, limits: dict[str, Any]
) -> None:
    for _ in range(20):
        checked, errors = outcome_of(submission, **limits)
        if checked is not None:
            break
        assert all(one.code and one.message.isprintable() for one in errors)
        submission = without_what_is_wrong(submission, errors)

    assert checked is not None
    for assigned in checked.assigned_scopes.values():
        for is_immediate in (True, False):
            scope = wire_scope(
                assigned.scope,
                ports=checked.ports,
                protocols=checked.protocols,
                lifetime_s=within_limits(checked.lifetime_s, assigned.provider),
                is_immediate=is_immediate,
            )
            assert encode_request(scope)
            size = max(map(request_overhead_bytes, CUIDS)) + request_bytes(scope)
            assert size <= MESSAGE_LIMIT_BYTES


@given(st.lists(st.builds(PortRange, st.just(80), st.integers(80, 100)) | NEAR_PORTS, max_size=6))
def test_fixed_port_ranges_request_the_same_ports(
    typed: list[PortRange],
) -> None:
    assume(all(one.is_valid for one in typed))
    wanted = {port for one in typed for port in range(one.lower, one.upper + 1)}
    ports = list(typed)
    for _ in range(20):
        checked, errors = outcome_of(Submission(prefixes=("203.0.113.9",), ports=tuple(ports)))
        if checked is not None:
            break
        place, fix = int(errors[0].field.removeprefix("ports.")), errors[0].fixes[0].value
        lower, _, upper = fix.partition("–")
        ports[place : place + 1] = [PortRange(int(lower), int(upper or lower))] if fix else []

    assert checked is not None
    assert wanted == {port for one in checked.ports for port in range(one.lower, one.upper + 1)}


@pytest.mark.parametrize(
    ("wrong", "field", "code", "fixes"),
    [
        ({"ports": (PortRange(80, 80), PortRange(80, 90))}, "ports.1", "repeated", ["81–90"]),
        ({"ports": (PortRange(80, 100), PortRange(80, 90))}, "ports.1", "repeated", [""]),
        ({"ports": (PortRange(80, 80), PortRange(443, 443), PortRange(80, 81))}, "ports.2",
        "repeated", ["81"]),
        ({"ports": (PortRange(443, 80),)}, "ports.0", "upside-down", ["80–443"]),
        ({"prefixes": ("::ffff:203.0.113.0/120",)}, "targets.prefixes.0", "not-protectable",
        ["203.0.113.0/24"]),
        ({"prefixes": ("::ffff:127.0.0.1",)}, "targets.prefixes.0", "not-protectable", []),
        ({"prefixes": ("0.0.0.0/1",)}, "targets.prefixes.0", "not-protectable", []),
        ({"prefixes": ("::/1",)}, "targets.prefixes.0", "not-protectable", []),
        ({"prefixes": ("198.51.100.7", "192.0.0.0/2")}, "targets.prefixes.1", "not-protectable",
        []),
        ({"uris": ("https://a.example/", "https://a.example/\x01")}, "targets.uris.1",
        "odd-characters", []),
        ({"uris": ("https://a.example/a\tb",)}, "targets.uris.0", "not-a-uri", []),
        ({"uris": ("https://a.example/\x7fb",)}, "targets.uris.0", "odd-characters", []),
        ({"uris": ("https://b.example\\@a.example/",)}, "targets.uris.0", "backslash", []),
    ],
)  # fmt: skip
def test_an_error_that_prevents_sending_is_at_its_field_with_a_fix(
    wrong: dict[str, Any], field: str, code: str, fixes: list[str]
) -> None:
    submission = Submission(**{"prefixes": ("203.0.113.9",), **wrong})

    [error] = errors_of(submission)

    assert (error.field, error.code) == (field, code)
    assert [fix.value for fix in error.fixes] == fixes
    assert "secret" not in error.message


def test_a_duplicate_range_counts_once() -> None:
    checked = check_it(
        Submission(prefixes=("203.0.113.9",), ports=(PortRange(80, 90), PortRange(80, 90)))
    )

    assert checked.ports == (PortRange(80, 90),)


def test_a_verified_resource_that_no_provider_can_take_is_named_with_the_reason() -> None:
    old = Resource(
        id=uuid4(), name="Old office", target=Target.saved("prefix", "::ffff:cb00:7100/120")
    )

    [error] = errors_of(Submission(resources=(old.id,)), old)

    assert (error.field, error.code) == ("targets.resources.0", "not-protectable")
    assert error.message == (
        "Old office: ::ffff:cb00:7100/120 cannot be protected: it is an IPv4 address written as"
        " IPv6. Ask an admin to replace the resource by 203.0.113.0/24."
    )
