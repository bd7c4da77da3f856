"""`python -m local_stack.trial FOLDER`: prepares the containers of the profile "try".

Makes the simulated providers' certificates in FOLDER, and `description.json` for `manage.py
seed_demo`, which describes the first organization (without members) and how it reaches the
providers. It does not change existing files.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from local_stack.cast import ORGANIZATIONS, PROVIDERS, Cast
from local_stack.installation import Secrets, write_privately
from local_stack.seed import describe
from local_stack.simulators import Simulator, make_identities

LOG = Path("/tmp/pki.log")  # noqa: S108 - the only place where such a container can write


def main(folder: Path) -> None:
    cast = Cast(organizations=ORGANIZATIONS[:1], users=())
    # Each key is the name of a service in docker-compose.yml, and the ports are the ones given
    # there.
    simulators = [
        Simulator(one, one.signal_port, one.control_port, host=one.key) for one in PROVIDERS
    ]
    identities = make_identities(simulators, folder, os.environ, LOG, cast.organizations)
    write_privately(folder / "description.json", describe(Secrets(), simulators, identities, cast))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
