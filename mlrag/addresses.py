"""Which network addresses belong to this machine."""

from __future__ import annotations

import ipaddress


def parse_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Parse an IP address, in brackets or not. Return None for any other text."""
    try:
        return ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    """Return whether a host name or address, without a port, always means this machine."""
    address = parse_address(host)
    return host == "localhost" if address is None else address.is_loopback
