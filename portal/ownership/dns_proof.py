"""Look for the TXT record of a claim at every server that is authoritative for its name.

The portal's resolver only finds the zone and the addresses of its servers. The record itself comes
from the servers: no cache on the way has an old one. An alias (CNAME or DNAME) is not followed:
it would let the owner of its target prove the claim, and a wildcard alias has such targets for
every name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import dns.asyncquery
import dns.asyncresolver
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.nameserver
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.resolver

from portal.ownership.evidence import MAX_DETAIL_LENGTH, Evidence, Finding, Network
from portal.ownership.places import is_among
from portal.ownership.states import NEGATIVE, ProofResult

MAX_NAME_SERVERS: Final = 13
"""Name servers asked for one name."""
ADDRESSES_PER_SERVER: Final = 2
"""Addresses tried until one answers."""
MAX_TEXTS: Final = 64
"""TXT records of one answer that are compared."""
SERVER_TIMEOUT_S: Final = 3.0
RESOLVER_TIMEOUT_S: Final = 5.0
_NO_PARENT: Final = 2
"""Labels, with the empty one of the root, of the root and of top-level domains, which no customer
controls."""
_ARPA: Final = tuple(dns.name.from_text(one) for one in ("in-addr.arpa", "ip6.arpa"))
_ALIASES: Final = (dns.rdatatype.CNAME, dns.rdatatype.DNAME)
_OWN_RESOLVER: Final = "the portal’s resolver"


async def dns_proof(
    alternatives: Sequence[Sequence[str]], value: str, network: Network
) -> Evidence:
    """The first alternative with the record at each of its names; otherwise what speaks most
    clearly against one.
    """
    resolver = resolver_of(network)
    found = [Evidence(result=ProofResult.NO_ANSWER)]
    for names in alternatives:
        evidence = await _alternative(names, value, network, resolver)
        if evidence.result == ProofResult.FOUND:
            return evidence
        found.append(evidence)
    findings = tuple(finding for one in found for finding in one.findings)
    return Evidence(result=_clearest([one.result for one in found[1:]]), findings=findings)


async def _alternative(
    names: Sequence[str], value: str, network: Network, resolver: dns.asyncresolver.Resolver
) -> Evidence:
    by_name = await asyncio.gather(*(_ask(name, value, network, resolver) for name in names))
    findings = tuple(finding for own in by_name for finding in own)
    results = [_together([finding.result for finding in own]) for own in by_name]
    if any(one != ProofResult.FOUND for one in results):
        return Evidence(
            result=_clearest([one for one in results if one != ProofResult.FOUND]),
            findings=findings,
        )
    signed = await asyncio.gather(*(_is_signed(name, resolver) for name in names))
    return Evidence(result=ProofResult.FOUND, findings=findings, is_signed=all(signed))


def _together(results: Sequence[ProofResult]) -> ProofResult:
    """What the servers of one name say: only what all of those say that answered."""
    answers = {one for one in results if one == ProofResult.FOUND or one in NEGATIVE}
    if answers == {ProofResult.FOUND}:
        return ProofResult.FOUND
    if ProofResult.FOUND in answers:
        return ProofResult.DIFFERS
    return _clearest(results)


def _clearest(results: Sequence[ProofResult]) -> ProofResult:
    negative = [one for one in results if one in NEGATIVE]
    unclear = [one for one in results if one != ProofResult.NO_ANSWER]
    return next(iter([*negative, *unclear]), ProofResult.NO_ANSWER)


def resolver_of(network: Network) -> dns.asyncresolver.Resolver:
    resolver = dns.asyncresolver.Resolver(configure=not network.resolvers)
    if network.resolvers:
        resolver.nameservers = [
            dns.nameserver.Do53Nameserver(address, port) for address, port in network.resolvers
        ]
    resolver.lifetime = RESOLVER_TIMEOUT_S
    # The AD bit asks for the result of DNSSEC validation (RFC 6840 section 5.7).
    resolver.flags = dns.flags.RD | dns.flags.AD
    resolver.search = []
    return resolver


async def _ask(
    name: str, value: str, network: Network, resolver: dns.asyncresolver.Resolver
) -> list[Finding]:
    try:
        zone = await dns.asyncresolver.zone_for_name(name, resolver=resolver)
        if len(zone) <= _NO_PARENT or zone in _ARPA:
            return [_finding(name, _OWN_RESOLVER, ProofResult.NO_ZONE, zone.to_text())]
        servers = await resolver.resolve(zone, "NS")
    except dns.resolver.NoRootSOA:
        why = "it has no answer for any zone"
        return [_finding(name, _OWN_RESOLVER, ProofResult.NO_ANSWER, why)]
    except (dns.exception.DNSException, OSError) as error:
        return [_finding(name, _OWN_RESOLVER, ProofResult.NO_ANSWER, str(error))]
    names = sorted(one.target for one in servers)[:MAX_NAME_SERVERS]
    return list(
        await asyncio.gather(*(_ask_server(name, one, value, network, resolver) for one in names))
    )


async def _ask_server(
    name: str,
    server: dns.name.Name,
    value: str,
    network: Network,
    resolver: dns.asyncresolver.Resolver,
) -> Finding:
    shown = server.to_text(omit_final_dot=True)
    addresses = await addresses_of(server, resolver)
    allowed = [one for one in addresses if network.may_ask(one)]
    if addresses and not allowed:
        return _finding(name, f"{shown} ({addresses[0]})", ProofResult.NOT_PUBLIC)
    finding = _finding(name, shown, ProofResult.NO_ANSWER, "it has no address")
    for address in allowed[:ADDRESSES_PER_SERVER]:
        result, detail = await _ask_address(name, address, value, network)
        finding = _finding(name, f"{shown} ({address})", result, detail)
        if result != ProofResult.NO_ANSWER:
            break
    return finding


async def addresses_of(
    name: dns.name.Name | str, resolver: dns.asyncresolver.Resolver
) -> list[str]:
    """IPv4 first."""

    async def of_type(rdtype: str) -> list[str]:
        try:
            answer = await resolver.resolve(name, rdtype, raise_on_no_answer=False)
        except (dns.exception.DNSException, OSError):
            return []
        return [one.address for one in answer]

    found = await asyncio.gather(of_type("A"), of_type("AAAA"))
    return [address for addresses in found for address in addresses]


async def _ask_address(
    name: str, address: str, value: str, network: Network
) -> tuple[ProofResult, str]:
    query = dns.message.make_query(name, dns.rdatatype.TXT, use_edns=0)
    query.flags &= ~dns.flags.RD
    try:
        answer, _ = await asyncio.wait_for(
            dns.asyncquery.udp_with_fallback(
                query, address, timeout=SERVER_TIMEOUT_S, port=network.dns_port
            ),
            SERVER_TIMEOUT_S,
        )
    except (dns.exception.DNSException, OSError, EOFError, TimeoutError) as error:
        return ProofResult.NO_ANSWER, str(error) or type(error).__name__
    return judged(query.question[0].name, answer, value)


def judged(name: dns.name.Name, answer: dns.message.Message, value: str) -> tuple[ProofResult, str]:
    """What one answer of a server says. Pure."""
    code = answer.rcode()
    if code not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        return ProofResult.NO_ANSWER, dns.rcode.to_text(code)
    if not answer.flags & dns.flags.AA:
        return ProofResult.NO_ANSWER, "it is not authoritative for the zone"
    if any(rrset.rdtype in _ALIASES for rrset in answer.answer):
        return ProofResult.ALIAS, ""
    texts = [
        b"".join(record.strings)
        for rrset in answer.answer
        if rrset.rdtype == dns.rdatatype.TXT and rrset.name == name
        for record in rrset
    ]
    if not texts:
        return ProofResult.MISSING, dns.rcode.to_text(code)
    is_there = is_among(value, texts[:MAX_TEXTS])
    return (ProofResult.FOUND if is_there else ProofResult.WRONG), ""


async def _is_signed(name: str, resolver: dns.asyncresolver.Resolver) -> bool:
    """Whether the portal's resolver validated the record. It trusts that resolver, as for every
    other name.
    """
    try:
        answer = await resolver.resolve(name, "TXT")
    except (dns.exception.DNSException, OSError):
        return False
    return bool(answer.response.flags & dns.flags.AD)


def _finding(name: str, server: str, result: ProofResult, detail: str = "") -> Finding:
    return Finding(place=name, server=server, result=result, detail=detail[:MAX_DETAIL_LENGTH])
