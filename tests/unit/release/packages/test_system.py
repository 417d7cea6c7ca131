"""The distribution of an image."""

from pratique.release.packages import kind_of, read_facts


def test_the_keys_that_name_it():
    text = b'# a comment\nID=debian\nVERSION_ID="12"\nPRETTY_NAME=\'Debian GNU/Linux 12\'\nHOME_URL=x\nID_LIKE="a\n'
    assert kind_of("/usr/lib/os-release") == "system"
    found = dict(read_facts("system", "/etc/os-release", text).system)
    assert found == {"ID": "debian", "VERSION_ID": "12", "PRETTY_NAME": "Debian GNU/Linux 12"}
