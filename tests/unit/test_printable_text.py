"""Text of unknown origin on terminals and in pages."""

from pratique.printable_text import printable


def test_control_characters_become_spaces_and_length_is_bounded():
    assert printable("a\x1b[31m\r\n\u202eé漢", 100) == "a [31m   é漢"
    assert printable("x" * 1000, 7) == "x" * 7
