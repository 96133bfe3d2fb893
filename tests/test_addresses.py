"""This machine is told from others by one function."""

import pytest

from mlrag.addresses import is_loopback


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.0.0.2", "::1", "[::1]"])
def test_this_machine(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "0.0.0.0", "10.0.0.1", "[2001:db8::1]", "localhost.example.org", "::"])
def test_other_machines(host):
    assert not is_loopback(host)
