"""Real DNS servers on loopback: a recursive resolver, and authoritative servers whose answers may
differ.

    with DnsWorld({"acme.example": ZONE}, servers={"127.0.0.11": {}, "127.0.0.12": {…}}) as world:
        await dns_proof(names, value, world.network)

A zone's NS records name the servers; all of them listen on one port, each on its own address.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.zone

from portal.ownership.evidence import Network

RESOLVER: Final = "127.0.0.10"
Zones = Mapping[str, str]
SILENT: Final = "silent"
LAME: Final = "lame"
"""In place of a server's zones: it answers nothing; it answers that it knows nothing."""


class DnsWorld:
    """Runs while it is a context. `zones`: master files by name; `servers`: what is different at
    the server of each address.
    """

    def __init__(
        self, zones: Zones, servers: Mapping[str, Zones | str], *, signed: bool = False
    ) -> None:
        self.port = 0
        self.asked: list[tuple[str, str]] = []
        "address of the server and name of the question"
        self._signed = signed
        self._zones = _parsed(zones)
        self._servers: dict[str, dict[dns.name.Name, dns.zone.Zone] | str] = {
            address: own if isinstance(own, str) else {**self._zones, **_parsed(own)}
            for address, own in servers.items()
        }
        self._open_ends: list[asyncio.BaseTransport | asyncio.Server] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def network(self) -> Network:
        return Network(
            resolvers=[(RESOLVER, self.port)],
            dns_port=self.port,
            may_ask=lambda address: address.startswith("127."),
        )

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(10)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _open(self) -> None:
        for address in (RESOLVER, *self._servers):
            await self._listen(address)

    async def _close(self) -> None:
        for one in self._open_ends:
            one.close()
        await asyncio.sleep(0)

    async def _listen(self, address: str) -> None:
        server = await asyncio.start_server(
            lambda reader, writer: self._tcp(address, reader, writer), address, self.port
        )
        self.port = self.port or server.sockets[0].getsockname()[1]
        udp, _ = await self._loop.create_datagram_endpoint(
            lambda: _Udp(self, address), local_addr=(address, self.port)
        )
        self._open_ends += [server, udp]

    async def _tcp(
        self, address: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        length = int.from_bytes(await reader.readexactly(2), "big")
        wire = self.answer(address, await reader.readexactly(length), 65535)
        if wire is not None:
            writer.write(len(wire).to_bytes(2, "big") + wire)
            await writer.drain()
        writer.close()

    def answer(self, address: str, wire: bytes, size: int) -> bytes | None:
        query = dns.message.from_wire(wire)
        question = query.question[0]
        self.asked.append((address, question.name.to_text(omit_final_dot=True)))
        zones = self._zones if address == RESOLVER else self._servers[address]
        if zones == SILENT:
            return None
        response = dns.message.make_response(query, recursion_available=address == RESOLVER)
        zone = _zone_of(question.name, zones) if not isinstance(zones, str) else None
        if zone is None:
            response.set_rcode(dns.rcode.NXDOMAIN if address == RESOLVER else dns.rcode.REFUSED)
        else:
            _fill(response, zone)
        if address != RESOLVER and zone is not None:
            response.flags |= dns.flags.AA
        if address == RESOLVER and self._signed:
            response.flags |= dns.flags.AD
        text = response.to_wire(max_size=65535)
        if len(text) > size:
            response = dns.message.make_response(query)
            response.flags |= dns.flags.TC
            text = response.to_wire(max_size=65535)
        return text


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, world: DnsWorld, address: str) -> None:
        self._world, self._address = world, address

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]  # what the loop passes
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        wire = self._world.answer(self._address, data, 1232)
        if wire is not None:
            self._transport.sendto(wire, addr)


def _parsed(zones: Zones) -> dict[dns.name.Name, dns.zone.Zone]:
    return {
        dns.name.from_text(name): dns.zone.from_text(text, origin=name, relativize=False)
        for name, text in zones.items()
    }


def _zone_of(
    name: dns.name.Name, zones: Mapping[dns.name.Name, dns.zone.Zone]
) -> dns.zone.Zone | None:
    matching = [origin for origin in zones if name.is_subdomain(origin)]
    return zones[max(matching, key=len)] if matching else None


def _fill(response: dns.message.Message, zone: dns.zone.Zone) -> None:
    question = response.question[0]
    assert zone.origin is not None
    node = zone.get_node(question.name)
    owner = question.name
    if node is None:
        owner = dns.name.Name((b"*", *question.name.parent().labels))
        node = zone.get_node(owner)
    if node is None:
        response.set_rcode(dns.rcode.NXDOMAIN)
        response.authority.append(zone.find_rrset(zone.origin, "SOA"))
        return
    for rdtype in (question.rdtype, dns.rdatatype.CNAME):
        records = node.get_rdataset(dns.rdataclass.IN, rdtype)
        if records is not None:
            found = dns.rrset.from_rdata_list(question.name, records.ttl, list(records))
            response.answer.append(found)
            return
    response.authority.append(zone.find_rrset(zone.origin, "SOA"))


def zone(*records: str, servers: tuple[str, ...] = ("127.0.0.11",)) -> str:
    """A master file: SOA, one NS for each server with its address, and the records."""
    lines = ["@ 60 IN SOA ns1 hostmaster 1 60 60 60 60"]
    for number, address in enumerate(servers, start=1):
        kind = "AAAA" if ":" in address else "A"
        lines += [f"@ 60 IN NS ns{number}", f"ns{number} 60 IN {kind} {address}"]
    return "\n".join([*lines, *records])
