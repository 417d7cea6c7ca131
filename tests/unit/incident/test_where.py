import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pratique.incident.cells import Cells, expected_shares
from pratique.incident.place_fit import chosen_set
from pratique.incident.where import find_places, shown_cells
from support.incident_cells import FaultyCells


@pytest.mark.parametrize(
    "values", [(1, None, None, None), (None, 3, None, None), (None, 3, None, 2), (None, None, 1, None), (1, 4, 0, None)]
)
@pytest.mark.parametrize("effect", ["times", "more"])
def test_one_fault_is_named_with_its_dimensions(values, effect):
    cells = FaultyCells(np.random.default_rng(3)).fault(values, effect, 12.0 if effect == "times" else 0.15).cells()
    found = find_places(cells)
    assert found.values == (values,)
    assert found.places.found[0].part > 0.9


def test_a_fault_of_the_whole_service_is_one_place():
    cells = FaultyCells(np.random.default_rng(3)).fault((None,) * 4, "times", 6.0).cells()
    assert find_places(cells).values == ((None,) * 4,)


@pytest.mark.slow
def test_two_faults_are_named():
    faulty = FaultyCells(np.random.default_rng(3)).fault((None, 3, None, None), "times", 12.0)
    assert set(find_places(faulty.fault((None, None, None, 2), "more", 0.05).cells()).values) == {
        (None, 3, None, None),
        (None, None, None, 2),
    }


@pytest.mark.parametrize("seed", range(8))
def test_the_rest_of_a_wandering_service_is_no_further_place(seed):
    faulty = FaultyCells(np.random.default_rng(seed), wandering=0.2)
    assert find_places(faulty.fault((None, 3, None, None), "times", 12.0).cells()).values == ((None, 3, None, None),)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("wandering", [0.0, 0.3])
def test_nothing_is_named_where_nothing_is_wrong(seed, wandering):
    found = find_places(FaultyCells(np.random.default_rng(seed), wandering=wandering).cells())
    assert found.values == ()
    assert "no part of the traffic" in found.places.reason


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), ratio=st.floats(1.0, 40.0))
def test_the_parts_add_up_exactly_whatever_changed(seed, ratio):
    rng = np.random.default_rng(seed)
    cells = FaultyCells(rng, requests=3000).fault((None, int(rng.integers(6)), None, None), "times", ratio).cells()
    places = find_places(cells).places
    told = sum(place.part for place in places.found) * (places.bad - places.expected)
    total = places.expected + places.mix + told + places.rest
    assert total == pytest.approx(places.bad, abs=1e-9 * max(places.bad, 1))


@pytest.mark.slow
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000))
def test_the_order_of_the_leaves_does_not_matter(seed):
    cells = FaultyCells(np.random.default_rng(seed)).fault((None, 3, None, None), "times", 10.0).cells()
    order = np.random.default_rng(seed).permutation(len(cells.bad))
    assert find_places(FaultyCells.reordered(cells, order)).values == find_places(cells).values


def test_cells_without_requests_name_nothing():
    found = find_places(FaultyCells(np.random.default_rng(1), requests=0).cells())
    assert found.values == ()
    assert found.places.bad == 0


def test_the_search_takes_further_dimensions():
    """The benchmark's labelled cases have other attributes than revision, action, code and host."""
    sizes = (2, 3, 1, 2, 4)
    keys = np.indices(sizes).reshape(5, -1)
    n = np.full(keys.shape[1], 2000)
    expected = n * expected_shares(keys, sizes, n // 200, n, coarser=[(2,), (1, 2), range(5)])
    bad = np.random.default_rng(3).poisson(expected * np.where(keys[4] == 3, 8.0, 1.0))
    names = tuple(tuple(map(str, range(size))) for size in sizes)
    cells = Cells(names, keys, bad, n, n // 200, n, expected, spread={}, blocks=24)
    assert [place.values for place in chosen_set(cells, shown_cells(cells, 0.01), alpha=0.01)] == [
        (None, None, None, None, 3)
    ]
