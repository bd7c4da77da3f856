"""The targets themselves, with valid inputs and some thousand broken ones."""

from __future__ import annotations

from random import Random

import pytest

from tests.fuzz.targets import TARGETS, seeds


def mutated(data: bytes, rng: Random) -> bytes:
    broken = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        match rng.randrange(3):
            case 0 if broken:
                broken[rng.randrange(len(broken))] = rng.randrange(256)
            case 1 if broken:
                at = rng.randrange(len(broken))
                del broken[at : at + rng.randrange(1, 4)]
            case _:
                broken[rng.randrange(len(broken) + 1) :] += rng.randbytes(2)
    return bytes(broken)


@pytest.mark.parametrize("name", sorted(TARGETS))
async def test_a_fuzz_target_accepts_any_bytes(name: str) -> None:
    target = TARGETS[name]()
    rng = Random(1)
    sound = seeds(name)
    assert sound

    for data in (b"", *sound):
        target(data)
    for _ in range(1000):
        target(mutated(rng.choice(sound), rng))
