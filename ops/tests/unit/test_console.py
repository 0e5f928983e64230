import pytest

from attendance_ops.console import plain


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("Zoë Müller, 北京", "Zoë Müller, 北京"),
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("\x1b[2Jgone", r"\x1b[2Jgone"),
        ("\u202etxt.exe", r"\u202etxt.exe"),
        ("\x9b1A", r"\x9b1A"),
        ("\u2028", r"\u2028"),
        ("\ud800", r"\ud800"),
    ],
)
def test_nothing_in_a_record_moves_the_cursor(text: str, printed: str) -> None:
    assert plain(text) == printed
