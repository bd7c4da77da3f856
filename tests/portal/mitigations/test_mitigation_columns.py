from __future__ import annotations

from portal.mitigations.models import Mitigation
from portal.mitigations.services.mitigation_columns import MitigationColumns


def test_each_column_that_services_set_exists() -> None:
    fields = {field.name for field in Mitigation._meta.concrete_fields}

    assert MitigationColumns.__annotations__.keys() - fields == set()
