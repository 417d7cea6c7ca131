"""Names and addresses from a user are checked before they are used."""

import pytest

from pratique.config import check_address, check_name
from pratique.errors import UsageError


@pytest.mark.parametrize("address", ["foo", "127.0.0.1:99999", "a..b:1", "a b:1", ":1"])
def test_a_wrong_address_is_refused(address):
    with pytest.raises(UsageError, match="use HOST:PORT"):
        check_address(address)


@pytest.mark.parametrize("name", ["", "-r", "../x", "a b", "<script>", "a\nb", "x" * 101])
def test_a_name_that_cannot_be_a_file_name_is_refused(name):
    with pytest.raises(UsageError, match=r"is not a name|is missing"):
        check_name("service", name)
