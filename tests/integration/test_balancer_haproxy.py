"""HAProxy: the contract of all balancers."""

import pytest

from contract.balancer_contract import BalancerContract
from support.haproxy_fixture import haproxy_running, needs_haproxy

pytestmark = needs_haproxy


class TestHAProxyBalancer(BalancerContract):
    @pytest.fixture
    def place(self):
        with haproxy_running() as place:
            yield place
