"""The sources that the portal polls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from portal.alerts.mapping import AlertSource
from portal.alerts.polling import Poller
from portal.alerts.sources.aws_shield.poller import POLLER as AWS_SHIELD
from portal.alerts.sources.sightline.poller import POLLER as SIGHTLINE

POLLERS: Final[Mapping[AlertSource, Poller]] = {
    AlertSource.SIGHTLINE: SIGHTLINE,
    AlertSource.AWS_SHIELD: AWS_SHIELD,
}
