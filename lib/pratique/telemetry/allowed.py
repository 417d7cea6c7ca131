"""Which senders the collector listens to: addresses within the networks of `telemetry.allow`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from itertools import chain

from pratique.config.telemetry import PRIVATE

PRIVATE_NETWORKS = (
    "127.0.0.0/8",
    "::1/128",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "169.254.0.0/16",
    "fc00::/7",
    "fe80::/10",
)
"""Networks that no packet from the internet comes from."""
REMEMBERED = 1024
"""Most senders whose answer is remembered."""


class AllowedSenders:
    """Senders by their address. An address of IPv4 within IPv6 (::ffff:10.0.0.5) counts as the one of IPv4."""

    def __init__(self, networks: Sequence[str]) -> None:
        named = chain.from_iterable(PRIVATE_NETWORKS if name == PRIVATE else (name,) for name in networks)
        self._networks = [ip_network(network) for network in named]
        self.allows = lru_cache(maxsize=REMEMBERED)(self._allows)

    def _allows(self, host: str) -> bool:
        address = ip_address(host.partition("%")[0])
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self._networks)
