"""A queue in which organizations take turns, and so do the subscriptions of one."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Collection, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Rotation(Generic[T]):
    """First in, first out within a subscription."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[Hashable, OrderedDict[Hashable, deque[T]]] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def put(self, item: T, organization: Hashable, subscription: Hashable) -> None:
        subscriptions = self._waiting.setdefault(organization, OrderedDict())
        subscriptions.setdefault(subscription, deque()).append(item)

    def has_any_but(self, skipped: Collection[Hashable]) -> bool:
        return any(one not in skipped for one in self._waiting)

    def pop(self, *, skipped: Collection[Hashable] = ()) -> T:
        """The next item of the subscription and the organization whose turn it is. Raises KeyError
        if nothing waits, except of the organizations that are `skipped`, which keep their turn.
        """
        if not self.has_any_but(skipped):
            raise KeyError
        organization = next(one for one in self._waiting if one not in skipped)
        subscriptions = self._waiting.pop(organization)
        subscription, items = subscriptions.popitem(last=False)
        item = items.popleft()
        if items:
            subscriptions[subscription] = items
        if subscriptions:
            self._waiting[organization] = subscriptions
        return item
