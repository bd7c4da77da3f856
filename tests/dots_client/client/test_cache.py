from __future__ import annotations

from dots_client import ClientCache, RedirectedSignal, Server
from dots_client.client.cache import MAX_HISTORIES
from dots_client.session import Candidate

HOME = Server("home.example", port=4647)
UDP = Candidate("dtls", "192.0.2.1")


def test_the_target_is_the_provisioned_server_until_it_redirects_us() -> None:
    cache = ClientCache()
    assert cache.target(HOME, now=0.0, is_under_attack=True) is HOME
    redirect = RedirectedSignal(alt_server="alt.example", alt_server_record=("192.0.2.7",))

    cache.redirections.redirected(redirect, ttl_s=60, now=0.0)

    target = cache.target(HOME, now=1.0, is_under_attack=False)
    assert (target.name, target.host, target.addresses, target.port) == (
        "alt.example",
        "alt.example",
        ("192.0.2.7",),
        4647,
    )
    assert cache.target(HOME, now=60.0, is_under_attack=False) is HOME


def test_each_server_is_remembered_separately() -> None:
    cache = ClientCache()
    cache.history(HOME).won(UDP, now=0.0)

    assert cache.history(HOME).preferred(now=1.0) == UDP
    assert cache.history(Server("alt.example")).preferred(now=1.0) is None


def test_the_remembered_servers_are_bounded() -> None:
    cache = ClientCache()
    cache.history(HOME).won(UDP, now=0.0)
    cache.resolved(HOME, ("192.0.2.1",))
    assert cache.addresses(HOME) == ("192.0.2.1",)

    for number in range(MAX_HISTORIES):
        cache.history(Server(f"server-{number}.example"))

    assert cache.history(HOME).preferred(now=1.0) is None
    assert cache.addresses(HOME) == ()
