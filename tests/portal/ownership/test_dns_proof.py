"""The TXT record is asked of every authoritative server, over real UDP and TCP."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from portal.ownership.dns_proof import dns_proof
from portal.ownership.evidence import Evidence
from portal.ownership.places import new_token, value_of
from portal.ownership.states import ProofResult
from tests.portal.ownership.dns_world import LAME, SILENT, DnsWorld, Zones, zone

ONE, TWO, THREE = "127.0.0.11", "127.0.0.12", "127.0.0.13"
NAME = "_dots-portal.acme.example"
VALUE = value_of(new_token())
RIGHT = f'_dots-portal 60 IN TXT "{VALUE}"'
WRONG = f'_dots-portal 60 IN TXT "{value_of(new_token())}"'
PIECES = f'_dots-portal 60 IN TXT "{VALUE[:9]}" "{VALUE[9:]}"'
OTHER_CASE = f'_dots-portal 60 IN TXT "{VALUE.swapcase()}"'
ALIAS = "_dots-portal 60 IN CNAME elsewhere.example."
WILD_ALIAS = "* 60 IN CNAME elsewhere.example."
ELSEWHERE = {"elsewhere.example": zone(f'@ 60 IN TXT "{VALUE}"')}
MANY = [f'_dots-portal 60 IN TXT "{"x" * 250}{number}"' for number in range(8)]
SILENT_TWO: Mapping[str, Zones | str] = {ONE: {}, TWO: SILENT}


def found(
    zones: Zones, servers: Mapping[str, Zones | str] | None = None, *, signed: bool = False
) -> tuple[Evidence, DnsWorld]:
    with DnsWorld(zones, servers or {ONE: {}}, signed=signed) as world:
        return asyncio.run(dns_proof([[NAME]], VALUE, world.network)), world


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        pytest.param([RIGHT], ProofResult.FOUND, id="there"),
        pytest.param([PIECES], ProofResult.FOUND, id="in pieces"),
        pytest.param([WRONG, RIGHT], ProofResult.FOUND, id="beside another"),
        pytest.param([*MANY, RIGHT], ProofResult.FOUND, id="too large for UDP"),
        pytest.param([WRONG], ProofResult.WRONG, id="of another resource"),
        pytest.param([], ProofResult.MISSING, id="no such name"),
        pytest.param(["_dots-portal 60 IN A 192.0.2.1"], ProofResult.MISSING, id="no TXT"),
        pytest.param([f'* 60 IN TXT "{VALUE}"'], ProofResult.FOUND, id="wildcard"),
        pytest.param([ALIAS], ProofResult.ALIAS, id="alias"),
        pytest.param([WILD_ALIAS], ProofResult.ALIAS, id="wildcard alias"),
        pytest.param([OTHER_CASE], ProofResult.WRONG, id="other case"),
    ],
)  # fmt: skip
def test_one_server_says_what_its_zone_has(records: list[str], expected: ProofResult) -> None:
    evidence, _ = found({"acme.example": zone(*records), **ELSEWHERE})

    assert evidence.result == expected, evidence.findings


@pytest.mark.parametrize(
    ("servers", "expected"),
    [
        ({ONE: {}, TWO: {}}, ProofResult.FOUND),
        (SILENT_TWO, ProofResult.FOUND),
        ({ONE: {}, TWO: LAME}, ProofResult.FOUND),
        ({ONE: {}, TWO: {"acme.example": zone(WRONG)}}, ProofResult.DIFFERS),
        ({ONE: {}, TWO: {"acme.example": zone()}}, ProofResult.DIFFERS),
        ({ONE: SILENT, TWO: {"acme.example": zone()}}, ProofResult.MISSING),
        ({ONE: SILENT, TWO: LAME}, ProofResult.NO_ANSWER),
    ],
    ids=["both", "one silent", "one lame", "one wrong", "one without", "rest without", "none"],
)
def test_all_servers_that_answer_must_have_it(
    servers: Mapping[str, Zones | str], expected: ProofResult
) -> None:
    evidence, _ = found({"acme.example": zone(RIGHT, servers=(ONE, TWO))}, servers)

    assert evidence.result == expected, evidence.findings
    assert {one.server.partition(" ")[0] for one in evidence.findings} == {
        "ns1.acme.example", "ns2.acme.example",
    }  # fmt: skip


def test_a_server_with_a_private_address_is_not_asked() -> None:
    private = "10.255.255.254"

    evidence, world = found({"acme.example": zone(RIGHT, servers=(private,))})

    assert evidence.result == ProofResult.NOT_PUBLIC
    assert private in evidence.findings[0].server
    assert {address for address, _ in world.asked} == {"127.0.0.10"}


def test_a_name_without_a_zone_of_its_own_asks_no_server_of_a_top_level_domain() -> None:
    evidence, world = found({"example": zone(servers=(ONE,)), ".": zone(servers=(ONE,))})

    assert evidence.result == ProofResult.NO_ZONE
    assert ONE not in {address for address, _ in world.asked}


def test_without_a_resolver_nothing_is_known() -> None:
    with DnsWorld({}, {}) as world:
        network = world.network

    evidence = asyncio.run(dns_proof([[NAME]], VALUE, network))

    assert evidence.result == ProofResult.NO_ANSWER


@pytest.mark.parametrize("signed", [True, False])
def test_validation_by_dnssec_is_noted(signed: bool) -> None:
    evidence, _ = found({"acme.example": zone(RIGHT)}, signed=signed)

    assert evidence.result == ProofResult.FOUND
    assert evidence.is_signed is signed


def test_a_prefix_of_several_zones_needs_the_record_in_each_or_in_the_one_around_them() -> None:
    names = [[f"_dots-portal.{third}.0.203.in-addr.arpa" for third in (112, 113)],
             ["_dots-portal.0.203.in-addr.arpa"]]  # fmt: skip
    with_it, without = zone(RIGHT), zone()
    results = []
    for zones in (
        {"112.0.203.in-addr.arpa": with_it, "113.0.203.in-addr.arpa": with_it},
        {"112.0.203.in-addr.arpa": with_it, "113.0.203.in-addr.arpa": without},
        {"112.0.203.in-addr.arpa": with_it, "0.203.in-addr.arpa": without},
        {"0.203.in-addr.arpa": with_it},
    ):
        with DnsWorld(zones, {ONE: {}}) as world:
            results.append(asyncio.run(dns_proof(names, VALUE, world.network)).result)

    assert results == [
        ProofResult.FOUND, ProofResult.MISSING, ProofResult.MISSING, ProofResult.FOUND,
    ]  # fmt: skip


def test_the_number_of_servers_asked_is_limited() -> None:
    addresses = tuple(f"127.0.1.{number}" for number in range(1, 21))
    servers: dict[str, Zones | str] = {one: {} for one in addresses}

    evidence, _ = found({"acme.example": zone(RIGHT, servers=addresses)}, servers)

    assert evidence.result == ProofResult.FOUND
    assert len(evidence.findings) == 13
