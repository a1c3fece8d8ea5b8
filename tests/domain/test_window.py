"""The window on events on their way out: held to a simple model, whatever becomes of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from taskyard.domain.window import Window

KEYS = st.lists(st.sampled_from("abc"), min_size=1, max_size=30)


@given(KEYS, st.data())
def test_events_of_a_key_go_in_order_and_the_position_never_passes_one_under_way(
    keys: str, data: st.DataObject
) -> None:
    window: Window[int] = Window(10, 1000)
    for k, key in enumerate(keys):
        window.add(11 + k, key, k)
    end = 10 + len(keys)
    sent: dict[str, list[int]] = {}
    open_ = set(range(11, end + 1))
    now, position = 0.0, 10
    while window.under_way:
        items = window.take(now, data.draw(st.integers(1, 5)))
        assert len({item.key for item in items}) == len(items)
        for item in items:
            match data.draw(st.sampled_from(["sent", "later", "again"])):
                case "sent":
                    window.settle(item)
                    open_.discard(item.pos)
                    sent.setdefault(item.key, []).append(item.pos)
                case "later":
                    window.put_back(item, now + 1)
                case "again":
                    window.put_back(item)
        assert window.position == (min(open_) - 1 if open_ else end)
        assert window.position >= position
        position = window.position
        now += 1
    assert sent == {key: [11 + k for k, each in enumerate(keys) if each == key] for key in set(keys)}


def test_one_that_waits_holds_back_its_own_key_only() -> None:
    window: Window[str] = Window(0, 10)
    for pos, key in ((1, "a"), (2, "b"), (3, "a")):
        window.add(pos, key, key)
    first, second = window.take(0.0, 9)
    window.put_back(first, 5.0)
    window.settle(second)
    assert window.take(4.9, 9) == []
    assert window.position == 0
    (again,) = window.take(5.0, 9)
    window.settle(again)
    assert [item.pos for item in window.take(5.0, 9)] == [3]
    assert window.position == 2


def test_what_the_feed_skips_is_behind_the_position() -> None:
    window: Window[str] = Window(0, 3)
    window.skip_to(7)
    assert (window.position, window.room) == (7, 3)
    window.add(9, "a", "a")
    window.skip_to(12)
    assert (window.position, window.end, window.room) == (8, 12, 2)
