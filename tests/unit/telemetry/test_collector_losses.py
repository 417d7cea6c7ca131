"""Lines that a collector could not count are kept by the minute and the service."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from pratique.telemetry.collector_losses import CollectorLosses
from pratique.telemetry.lost_lines import EVERY_SERVICE, lost_lines

NINE = datetime(2026, 11, 20, 9, tzinfo=UTC)


def ms(minutes):
    return int((NINE + timedelta(minutes=minutes)).timestamp() * 1000)


def found(folder, first, last, store="s"):
    start, end = NINE + timedelta(minutes=first), NINE + timedelta(minutes=last)
    return sum(lost.total for lost in lost_lines(folder, "shop", start, end, store=store))


class Counts:
    """Counters of a collector."""

    def __init__(self, received, **lost):
        self.received, self._lost = Counter(shop=received, cart=received), lost

    def losses(self):
        return {service: {"late": lines} for service, lines in self._lost.items()}


def test_losses_belong_to_the_minutes_in_which_the_counters_grew(tmp_path):
    losses = CollectorLosses(tmp_path)
    for minute, lost in [(0, 0), (1, 3), (5, 3), (10, 3), (10.5, 8), (20, 8)]:
        losses.update(ms(minute), Counts(1000 * int(minute), shop=lost), store="s")
    assert found(tmp_path, 0, 5) == 3
    assert found(tmp_path, 6, 19) == 5
    assert found(tmp_path, 12, 30) == 0
    assert found(tmp_path, 0, 30, store="another") == 0


def test_losses_of_one_service_do_not_concern_another(tmp_path):
    losses = CollectorLosses(tmp_path)
    losses.update(ms(1), Counts(100, cart=50), store="s")
    assert found(tmp_path, 0, 5) == 0
    losses.update(ms(2), Counts(100, **{"cart": 50, EVERY_SERVICE: 7}), store="s")
    assert found(tmp_path, 0, 5) == 7


def test_a_counter_that_falls_is_no_loss(tmp_path):
    losses = CollectorLosses(tmp_path)
    for minute, lost in [(0, 4), (0.5, 2), (2, 0)]:
        losses.update(ms(minute), Counts(100, shop=lost), store="s")
    assert found(tmp_path, 1, 30) == 0
