"""The texts of `--help` for each command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    summary: str
    "one line, in the list of commands"
    description: str
    examples: str


CONVENTIONS: Final = """\
exit status:
  0  done
  1  refused by the server
  2  a mistake in the command line, or something RFC 9132 does not allow
  3  the server could not be reached, or did not answer in time
  130  interrupted

environment:
  DOTS_SERVER, DOTS_NAME, DOTS_CERT, DOTS_KEY, DOTS_CA, DOTS_CUID
     are the defaults of --server, --name, --cert, --key, --ca, --cuid

output:
  Results go to stdout, errors to stderr. With --json, each result and each
  error is one line of JSON on stdout, with the names of the RFC.

--verbose prints every message to stderr:
  > sent   < received   = session   % repeated   ! error
"""

PAGES: Final[Mapping[str, Page]] = {
    "mitigate": Page(
        summary="request a mitigation, or refresh it",
        description="""\
Request protection for targets (PUT), repeated until the server answers or
--patience runs out. Prints what the server granted: the lifetime may be
shorter than requested.

--mid identifies the mitigation: choose a number that is higher than any you
have used with this server. A request that overlaps an older one replaces
it. To refresh a mitigation, repeat the command with the same --mid and the
same targets; only the lifetime may differ. To change its targets, use a
higher --mid.

With --preconfigured the client first asks the server (GET). It does not refresh
a mitigation that a lost session has started (exit status 2), because some
servers then stop it: --even-if-started sends it anyway.

At least one --prefix, --fqdn, --uri or --alias is needed. Give the addresses
that the server sees: behind a NAT, the external ones.""",
        examples="""\
examples:
  python -m dots_client mitigate --mid 1 --prefix 203.0.113.0/26 --port 443
  python -m dots_client mitigate --mid 2 --prefix 203.0.113.0/24 --preconfigured
  python -m dots_client mitigate --mid 3 --fqdn shop.example --acl us=deactivate
  python -m dots_client mitigate --mid 10 --split --prefix 2001:db8:1::/48 ...""",
    ),
    "status": Page(
        summary="show the server's reports on mitigations",
        description="""\
Show one mitigation, or all of this client (GET). --watch keeps printing the
notifications (Observe) until Ctrl-C, or until the mitigation is gone (4.04,
exit status 1).""",
        examples="""\
examples:
  python -m dots_client status
  python -m dots_client status --mid 1 --watch --json""",
    ),
    "withdraw": Page(
        summary="end a mitigation",
        description="""\
End a mitigation (DELETE), repeated until the server acknowledges it. The
mitigation may continue for a while, with the status
dots-client-withdrawn-mitigation. One that the server does not know counts as
withdrawn. The client then asks once (GET): if the server still holds the
mitigation, the exit status is 1. Some servers keep a preconfigured one until
its lifetime ends; a request with --lifetime 1 ends it there.""",
        examples="""\
example:
  python -m dots_client withdraw --mid 1""",
    ),
    "efficacy": Page(
        summary="report how effective a mitigation is",
        description="""\
Report whether the attack continues, as the client sees it (PUT with an empty
If-Match). This also refreshes the mitigation, so give the targets exactly as
you requested them. A server that does not know the mitigation does not
answer: exit status 3 after --patience.""",
        examples="""\
example:
  python -m dots_client efficacy --mid 1 --fqdn shop.example --attack ongoing""",
    ),
    "config": Page(
        summary="read or change the session configuration",
        description="""\
Show the heartbeat and retransmission parameters, with the limits the server
accepts; --set changes some of them first. The sets are idle and mitigating;
the parameters heartbeat-interval (seconds, 0: off), missing-hb-allowed,
probing-rate (bytes per second), max-retransmit, ack-timeout (seconds) and
ack-random-factor. --reset returns to the server's defaults. A change lasts as
long as the session, so use this to find out what a server accepts.
Do not use --reset on a go-dots server (seen April 2025): it then answers
4.04 to every client until it is restarted.""",
        examples="""\
examples:
  python -m dots_client config
  python -m dots_client config --sid 1 --set idle.heartbeat-interval=60""",
    ),
    "ping": Page(
        summary="send heartbeats and time their answers",
        description="""\
Send heartbeats (PUT /hb) one after the other, and print how long each answer
took. The first without an answer within five seconds ends it: exit status 3.
A refusal is printed with its code and text, and is exit status 1: 4.01 means
that the server does not know our certificate.""",
        examples="""\
example:
  python -m dots_client ping --count 5""",
    ),
    "cuid": Page(
        summary="show the cuid of a client certificate",
        description="""\
Print the client identifier derived from the public key of --cert: 22
characters, which stay the same as long as the key does. Needs no server.""",
        examples="""\
example:
  python -m dots_client cuid --cert client.pem""",
    ),
    "codec": Page(
        summary="translate bodies between JSON and CBOR",
        description="""\
--to-cbor reads JSON with the attribute names of the RFC and writes
application/dots+cbor in hexadecimal. --to-json reads such hexadecimal (spaces
and line breaks do not matter) and writes JSON. Both check whether --sender may
send the body: a violation is exit status 2, with the attribute and the reason
on stderr. --to-cbor then writes nothing; --to-json still shows the whole body,
with unknown keys as numbers.

FILE is read from, and - means stdin. Needs no server.""",
        examples="""\
examples:
  echo a11831a11833f5 | python -m dots_client codec --to-json
  python -m dots_client codec --to-cbor request.json
  python -m dots_client codec --to-json --sender server answer.hex""",
    ),
}
