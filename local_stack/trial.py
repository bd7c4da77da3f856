"""`python -m local_stack.trial FOLDER`: what the containers of the profile "try" begin with.

Makes the simulated providers' certificates in FOLDER, and `description.json` there for `manage.py seed_demo`: the first organization,
with nobody in it, and how it reaches the providers. What is there stays as it is.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from local_stack.cast import ORGANIZATIONS, PROVIDERS, Cast
from local_stack.installation import Secrets, write_privately
from local_stack.seed import describe
from local_stack.simulators import Simulator, make_identities

LOG = Path("/tmp/pki.log")  # noqa: S108 - the one place that such a container can write


def main(folder: Path) -> None:
    cast = Cast(organizations=ORGANIZATIONS[:1], users=())
    # Each is a service of docker-compose.yml by its key, on the ports that are written there.
    simulators = [
        Simulator(one, one.signal_port, one.control_port, host=one.key) for one in PROVIDERS
    ]
    identities = make_identities(simulators, folder, os.environ, LOG, cast.organizations)
    write_privately(folder / "description.json", describe(Secrets(), simulators, identities, cast))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
