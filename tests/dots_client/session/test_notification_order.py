from __future__ import annotations

import pytest

from dots_client.session import NotificationOrder


def order_after(observe: int, *, at: float = 0.0) -> NotificationOrder:
    order = NotificationOrder()
    assert order.is_news(observe, now=at)
    return order


@pytest.mark.rule("SC-058")
@pytest.mark.parametrize(
    ("before", "after", "is_news"),
    [
        (5, 6, True),
        (6, 5, False),
        (5, 5, False),
        (0, 2**23 - 1, True),
        (0, 2**23, False),
        (2**24 - 1, 0, True),
        (2**23, 0, False),
        (2**23 + 1, 0, True),
    ],
)
def test_newer_is_decided_by_the_distance_on_a_24_bit_circle(
    before: int, after: int, is_news: bool
) -> None:
    assert order_after(before).is_news(after, now=1.0) is is_news


@pytest.mark.rule("SC-058")
def test_after_128_seconds_any_number_is_news() -> None:
    assert not order_after(9, at=0.0).is_news(3, now=128.0)
    assert order_after(9, at=0.0).is_news(3, now=128.1)


def test_a_stale_notification_does_not_move_the_clock() -> None:
    order = order_after(9, at=0.0)
    order.is_news(3, now=100.0)

    assert order.is_news(4, now=129.0)


def test_a_notification_without_the_option_is_news_and_changes_nothing() -> None:
    order = order_after(9)

    assert order.is_news(None, now=1.0)
    assert not order.is_news(8, now=1.0)
