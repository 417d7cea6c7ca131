"""What counts as a lost line of a service, and what is the garbage of a stranger."""

import pytest

from pratique.telemetry.accesslog import decode
from pratique.telemetry.loss_counts import MOST_HOSTS, MOST_SENDERS, LossCounts
from pratique.telemetry.lost_lines import EVERY_SERVICE
from pratique.telemetry.syslog import parse

BALANCER, STRANGER = ("10.0.0.1", 40_000), ("10.0.0.9", 50_000)
LINE = b'<134>1 - h b - - - {"t":1795226000000,"s":"%s","r":"r1","m":"GET","p":"/","c":200,"d":1.0%s}'


def line(service="shop", *, numbered=False):
    return decode(LINE % (service.encode(), b',"b":"boot","q":1' if numbered else b""))


def unreadable(counts, sender, text, services=("shop", "cart")):
    counts.unreadable(sender, parse(text), services)


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\xff" * 100,
        b"<14>1 - - - - - - {",
        b"GET /shop HTTP/1.1",
        b'<14>1 - h a - - - {"msg": "shop.local [x] started"}',
    ],
)
def test_garbage_of_a_stranger_is_no_loss_and_names_its_host(garbage):
    counts = LossCounts()
    counts.counted(BALANCER, line())
    for _ in range(1000):
        unreadable(counts, STRANGER, garbage)
        unreadable(counts, (BALANCER[0], 50_000), garbage)
    assert counts.losses() == {}
    assert counts.unread_from() == {"10.0.0.9": 1000, "10.0.0.1": 1000}


def test_unreadable_line_of_a_balancer_is_lost_to_its_service():
    counts = LossCounts()
    counts.counted(BALANCER, line("cart"))
    unreadable(counts, BALANCER, b"<14>1 - - - - - - {")
    assert counts.losses() == {"cart": {"not an access line": 1}}
    counts.counted(BALANCER, line("shop"))
    unreadable(counts, BALANCER, b"<14>1 - - - - - - {")
    assert counts.losses()[EVERY_SERVICE] == {"not an access line": 1}


def test_line_that_names_a_service_is_lost_to_it_though_none_of_its_balancer_was_ever_read():
    counts = LossCounts()
    unreadable(counts, STRANGER, (LINE % (b"shop", b""))[:-20])
    assert counts.losses() == {"shop": {"not an access line": 1}}
    unreadable(counts, STRANGER, (LINE % (b"shopping", b""))[:-20])
    assert counts.losses() == {"shop": {"not an access line": 1}}


def test_drops_of_the_kernel_count_for_lines_without_a_number_in_their_part_of_the_traffic():
    counts = LossCounts()
    for _ in range(100):
        counts.counted(BALANCER, line())
        counts.counted(BALANCER, line("cart", numbered=True))
    for _ in range(800):
        unreadable(counts, STRANGER, b"x")
    counts.dropped(5000)
    assert counts.losses() == {"shop": {"dropped by the kernel": 500}}
    counts.dropped(5000)
    assert counts.losses() == {"shop": {"dropped by the kernel": 500}}


@pytest.mark.parametrize(("own", "others", "seconds"), [(1, 1, 10), (3, 7, 100), (1, 9, 1000), (7, 0, 3)])
def test_less_than_a_dropped_line_a_second_adds_up(own, others, seconds):
    counts = LossCounts()
    for second in range(1, seconds + 1):
        for _ in range(own):
            counts.counted(BALANCER, line())
        for _ in range(others):
            unreadable(counts, STRANGER, b"x")
        counts.dropped(second)
    assert counts.losses() == {"shop": {"dropped by the kernel": seconds * own // (own + others)}}


def test_datagrams_dropped_while_none_is_received_count_with_the_next_ones():
    counts = LossCounts()
    counts.dropped(30)
    counts.dropped(40)
    assert counts.losses() == {}
    counts.counted(BALANCER, line())
    counts.dropped(40)
    counts.dropped(40)
    assert counts.losses() == {"shop": {"dropped by the kernel": 40}}


def test_strangers_without_end_are_bounded():
    counts = LossCounts()
    for number in range(3 * MOST_SENDERS):
        counts.counted(("10.0.0.1", number), line())
        unreadable(counts, (f"10.1.{number // 256}.{number % 256}", 1), b"x")
    assert len(counts._services_of) == MOST_SENDERS
    assert len(counts._unread) <= MOST_HOSTS + 1
    assert "other hosts" in counts.unread_from()
