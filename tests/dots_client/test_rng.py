from __future__ import annotations

from random import Random, SystemRandom

import pytest

from dots_client.rng import Rng


@pytest.mark.parametrize("rng", [Random(1), SystemRandom()], ids=["seeded", "of the system"])
def test_the_generators_of_the_standard_library_fit(rng: Rng) -> None:
    assert 0 <= rng.random() < 1
    assert 3 <= rng.uniform(3, 4) <= 4
    assert 0 <= rng.getrandbits(8) < 256
