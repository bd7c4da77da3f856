"""Between the model and trees: maps with the RFC's names (see `cbor`)."""

from __future__ import annotations

from dataclasses import fields
from decimal import Decimal
from enum import IntEnum
from functools import cache
from typing import Final, TypeVar

from dots_client.codec.cbor import Tree
from dots_client.codec.keys import CONTROL_ACL_LIST
from dots_client.codec.reader import NOT_READ
from dots_client.model import (
    AclEntry,
    ActivationType,
    AttackStatus,
    ConfigurationSet,
    ConflictCause,
    ConflictInformation,
    ConflictStatus,
    FilterControl,
    MitigationReport,
    MitigationStatus,
    Parameter,
    PortRange,
    Scope,
    SignalConfig,
    Targets,
)

_Code = TypeVar("_Code", bound=IntEnum)

DECIMAL_PARAMETERS: Final = frozenset({"ack-timeout", "ack-random-factor"})
PARAMETER_NAMES: Final = tuple(field.name.replace("_", "-") for field in fields(ConfigurationSet))


def _field(name: str) -> str:
    return name.replace("-", "_")


def _with_fields(*names: str) -> tuple[tuple[str, str], ...]:
    """Each attribute with its field in the model."""
    return tuple((name, _field(name)) for name in names)


# Attributes whose value on the wire is the value in the model.
_REPORT_FIELDS: Final = _with_fields(
    "mid",
    "lifetime",
    "mitigation-start",
    "bytes-dropped",
    "pkts-dropped",
    "bps-dropped",
    "pps-dropped",
    "trigger-mitigation",
)
_TARGET_FIELDS: Final = _with_fields(
    "target-prefix",
    "target-protocol",
    "target-fqdn",
    "target-uri",
    "alias-name",
)
_TARGET_NAMES: Final = frozenset({*(name for name, _ in _TARGET_FIELDS), "target-port-range"})


def scope_tree(scope: Scope) -> Tree:
    tree = {**targets_tree(scope.targets), "lifetime": scope.lifetime}
    # True is the default (RFC 9132 section 4.4.1.1) and is not sent.
    if scope.trigger_mitigation is not True:
        tree["trigger-mitigation"] = scope.trigger_mitigation
    if scope.attack_status is not None:
        tree["attack-status"] = scope.attack_status
    if scope.acl_list:
        tree[CONTROL_ACL_LIST] = _filter_trees(scope.acl_list)
    return tree


def scope_of(tree: Tree) -> Scope:
    return Scope(
        targets=targets_of(tree) or Targets(),
        lifetime=tree["lifetime"],
        trigger_mitigation=tree.get("trigger-mitigation", True),
        attack_status=_attack_status(tree),
        acl_list=_filters_of(tree),
    )


def report_tree(report: MitigationReport) -> Tree:
    tree: Tree = {
        name: value
        for name, field in _REPORT_FIELDS
        if (value := getattr(report, field)) is not None
    }
    if report.targets is not None:
        tree |= targets_tree(report.targets)
    if report.status is not None:
        tree["status"] = report.status
    if report.conflict is not None:
        tree["conflict-information"] = conflict_tree(report.conflict)
    if report.acl_list:
        tree[CONTROL_ACL_LIST] = _filter_trees(report.acl_list)
    return tree


def report_of(tree: Tree) -> MitigationReport:
    conflict = tree.get("conflict-information")
    return MitigationReport(
        status=_code(MitigationStatus, tree.get("status")),
        conflict=None if conflict is None else conflict_of(conflict),
        targets=targets_of(tree),
        acl_list=_filters_of(tree),
        not_read=tree.get(NOT_READ, ()),
        **{field: tree[name] for name, field in _REPORT_FIELDS if name in tree},
    )


def targets_tree(targets: Targets) -> Tree:
    tree: Tree = {
        name: list(values) for name, field in _TARGET_FIELDS if (values := getattr(targets, field))
    }
    if targets.target_port_range:
        tree["target-port-range"] = [
            {"lower-port": ports.lower}
            if ports.upper is None
            else {"lower-port": ports.lower, "upper-port": ports.upper}
            for ports in targets.target_port_range
        ]
    return tree


def targets_of(tree: Tree) -> Targets | None:
    """The targets in a scope entry or conflict-scope; None if it has none."""
    if tree.keys().isdisjoint(_TARGET_NAMES):
        return None
    targets = Targets(
        target_port_range=tuple(
            PortRange(lower=ports["lower-port"], upper=ports.get("upper-port"))
            for ports in tree.get("target-port-range", ())
            if "lower-port" in ports
        ),
        **{field: tuple(tree[name]) for name, field in _TARGET_FIELDS if name in tree},
    )
    return targets if targets != Targets() else None


def _filter_trees(filters: tuple[FilterControl, ...]) -> list[Tree]:
    return [
        {"acl-name": control.acl_name}
        if control.activation_type is None
        else {"acl-name": control.acl_name, "activation-type": control.activation_type}
        for control in filters
    ]


def _filters_of(tree: Tree) -> tuple[FilterControl, ...]:
    return tuple(
        FilterControl(
            acl_name=entry["acl-name"],
            activation_type=_code(ActivationType, entry.get("activation-type")),
        )
        for entry in tree.get(CONTROL_ACL_LIST, ())
        if "acl-name" in entry
    )


def conflict_tree(conflict: ConflictInformation) -> Tree:
    scope: Tree = {} if conflict.targets is None else targets_tree(conflict.targets)
    if conflict.acl_list:
        scope["acl-list"] = [
            {"acl-name": entry.acl_name}
            if entry.acl_type is None
            else {"acl-name": entry.acl_name, "acl-type": entry.acl_type}
            for entry in conflict.acl_list
        ]
    if conflict.mid is not None:
        scope["mid"] = conflict.mid
    tree: Tree = {
        "conflict-status": conflict.status,
        "conflict-cause": conflict.cause,
        "retry-timer": conflict.retry_timer_s,
        "conflict-scope": scope or None,
    }
    return {name: value for name, value in tree.items() if value is not None}


def conflict_of(tree: Tree) -> ConflictInformation:
    scope: Tree = tree.get("conflict-scope", {})
    return ConflictInformation(
        status=_code(ConflictStatus, tree.get("conflict-status")),
        cause=_code(ConflictCause, tree.get("conflict-cause")),
        retry_timer_s=tree.get("retry-timer"),
        targets=targets_of(scope),
        acl_list=tuple(
            AclEntry(acl_name=entry["acl-name"], acl_type=entry.get("acl-type"))
            for entry in scope.get("acl-list", ())
            if "acl-name" in entry
        ),
        mid=scope.get("mid"),
    )


def config_tree(config: SignalConfig) -> Tree:
    tree: Tree = {}
    if config.sid is not None:
        tree["sid"] = config.sid
    for name, parameters in (
        ("mitigating-config", config.mitigating),
        ("idle-config", config.idle),
    ):
        if parameters is not None:
            tree[name] = {
                parameter_name: _parameter_tree(parameter_name, parameter)
                for parameter_name in PARAMETER_NAMES
                if (parameter := getattr(parameters, _field(parameter_name))) is not None
            }
    return tree


def config_of(tree: Tree) -> SignalConfig:
    return SignalConfig(
        mitigating=_set_of(tree.get("mitigating-config")),
        idle=_set_of(tree.get("idle-config")),
        sid=tree.get("sid"),
    )


def _set_of(tree: Tree | None) -> ConfigurationSet | None:
    if tree is None:
        return None
    return ConfigurationSet(
        **{_field(name): _parameter_of(name, tree.get(name)) for name in PARAMETER_NAMES}
    )


def _parameter_names(name: str) -> tuple[str, str, str]:
    suffix = "-decimal" if name in DECIMAL_PARAMETERS else ""
    return f"current-value{suffix}", f"min-value{suffix}", f"max-value{suffix}"


def _parameter_tree(name: str, parameter: Parameter) -> Tree:
    values = (parameter.current, parameter.minimum, parameter.maximum)
    return {
        value_name: Decimal(value) if name in DECIMAL_PARAMETERS else value
        for value_name, value in zip(_parameter_names(name), values, strict=True)
        if value is not None
    }


def _parameter_of(name: str, tree: Tree | None) -> Parameter | None:
    if tree is None:
        return None
    current, minimum, maximum = (tree.get(value_name) for value_name in _parameter_names(name))
    # The IANA registry swaps the keys of the two limits in Table 5.
    if minimum is not None and maximum is not None and maximum < minimum:
        minimum, maximum = maximum, minimum
    return Parameter(current=current, minimum=minimum, maximum=maximum)


@cache
def _code(codes: type[_Code], number: int | None) -> _Code | int | None:
    """The enumeration member for `number`, or the number itself if unassigned; None if absent."""
    if number is None:
        return None
    try:
        return codes(number)
    except ValueError:
        return number


def _attack_status(tree: Tree) -> AttackStatus | None:
    """A value that only clients send, read strictly before."""
    return AttackStatus(tree["attack-status"]) if "attack-status" in tree else None
