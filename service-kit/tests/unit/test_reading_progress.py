from datetime import timedelta

from service_kit.views.reading_progress import ReadingProgress


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_what_is_left_is_counted_from_where_each_partition_began() -> None:
    progress = ReadingProgress("things", {0: range(5, 15), 1: range(0), 2: range(3, 4)}, Clock())
    assert progress.total == 11
    assert progress.ends == {0: 15, 1: 0, 2: 4}
    assert progress.left({}) == 11
    assert progress.left({0: 10, 2: 3}) == 6
    assert progress.left({0: 20, 1: 7, 2: 4}) == 0


def test_standing_still_is_timed_from_the_last_move() -> None:
    clock = Clock()
    progress = ReadingProgress("things", {0: range(1_000_000)}, clock)
    clock.now += 40
    assert progress.note({0: 0}) == timedelta(seconds=40)
    clock.now += 10
    assert progress.note({0: 1}) == timedelta(0)
    for _ in range(3):
        clock.now += 5
        still = progress.note({0: 1})
    assert still == timedelta(seconds=15)


def test_it_says_how_far_it_is_and_how_long_it_will_take(capsys) -> None:
    clock = Clock()
    progress = ReadingProgress("things", {0: range(2000)}, clock)
    clock.now += 5
    progress.note({0: 500})
    said = capsys.readouterr().out
    for part in ("a view is being read", "things", "500", "2000", "100", "15"):
        assert part in said
