"""Look for the file of a claim on the web server of its name.

The portal resolves the name once and connects to that address, so that a second answer of the
customer's DNS cannot send it elsewhere. It follows no redirection and reads a few kilobytes.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Final

import h11

from portal.ownership.dns_proof import addresses_of, resolver_of
from portal.ownership.evidence import MAX_DETAIL_LENGTH, Evidence, Finding, Network
from portal.ownership.http_exchange import HttpAnswer, HttpCall, exchange
from portal.ownership.places import PATH, is_among
from portal.ownership.states import ProofResult

TRY_TIMEOUT_S: Final = 5.0
"""From connecting to the last byte, for each address."""
ADDRESSES_TRIED: Final = 2
"""For each scheme."""
MAX_BODY_BYTES: Final = 4096
_LAST: Final = (ProofResult.NO_ANSWER, ProofResult.BAD_CERTIFICATE)


async def http_proof(host: str, value: str, network: Network) -> Evidence:
    """Over HTTPS first; over HTTP if that does not have it, as many customers only serve one."""
    addresses = await addresses_of(f"{host}.", resolver_of(network))
    refused = [one for one in addresses if not network.may_ask(one)]
    if refused or not addresses:
        result = ProofResult.NOT_PUBLIC if refused else ProofResult.NO_ANSWER
        detail = refused[0] if refused else "the name has no address"
        return Evidence(
            result=result, findings=(_finding(f"http://{host}{PATH}", host, result, detail),)
        )
    findings: list[Finding] = []
    for scheme in ("https", "http"):
        for address in addresses[:ADDRESSES_TRIED]:
            finding = await _try(scheme, host, address, value, network)
            findings.append(finding)
            if finding.result == ProofResult.FOUND:
                return Evidence(result=ProofResult.FOUND, findings=tuple(findings))
            if finding.result not in _LAST:
                break
    told = [one.result for one in findings if one.result not in _LAST]
    certificate = [one.result for one in findings if one.result == ProofResult.BAD_CERTIFICATE]
    # The answer over HTTP, which is tried last, is the one that people see in their browser.
    result = next(iter([*reversed(told), *certificate]), ProofResult.NO_ANSWER)
    return Evidence(result=result, findings=tuple(findings))


async def _try(scheme: str, host: str, address: str, value: str, network: Network) -> Finding:
    place, server = f"{scheme}://{host}{PATH}", f"{host} ({address})"
    try:
        async with asyncio.timeout(TRY_TIMEOUT_S):
            answer = await _fetch(scheme, host, address, network)
    except ssl.SSLCertVerificationError as error:
        return _finding(place, server, ProofResult.BAD_CERTIFICATE, error.verify_message)
    except TimeoutError:
        return _finding(place, server, ProofResult.NO_ANSWER, f"after {TRY_TIMEOUT_S:.0f} s")
    except (OSError, EOFError, h11.RemoteProtocolError) as error:
        return _finding(place, server, ProofResult.NO_ANSWER, str(error) or type(error).__name__)
    result, detail = _judged(answer, value)
    return _finding(place, server, result, detail)


def _judged(answer: HttpAnswer, value: str) -> tuple[ProofResult, str]:
    status = f"HTTP {answer.status}"
    if 300 <= answer.status < 400:
        return ProofResult.REDIRECTED, status
    if answer.status >= 500:
        return ProofResult.NO_ANSWER, status
    if answer.status in (404, 410):
        return ProofResult.MISSING, status
    if answer.status != 200:
        return ProofResult.BAD_STATUS, status
    if answer.body is None:
        return ProofResult.TOO_LONG, f"more than {MAX_BODY_BYTES} bytes"
    is_there = is_among(value, answer.body.splitlines())
    return (ProofResult.FOUND if is_there else ProofResult.WRONG), ""


async def _fetch(scheme: str, host: str, address: str, network: Network) -> HttpAnswer:
    is_tls = scheme == "https"
    call = HttpCall(
        host=host,
        address=address,
        port=network.https_port if is_tls else network.http_port,
        target=PATH,
        headers=[("Host", host), ("Accept", "text/plain")],
        tls=network.tls() if is_tls else None,
    )
    return await exchange(call, max_body=MAX_BODY_BYTES)


def _finding(place: str, server: str, result: ProofResult, detail: str = "") -> Finding:
    return Finding(place=place, server=server, result=result, detail=detail[:MAX_DETAIL_LENGTH])
