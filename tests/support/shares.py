"""Shares of revisions, for property tests."""

from hypothesis import strategies as st


@st.composite
def three_shares(draw):
    """Shares of three revisions, from counts."""
    counts = draw(st.lists(st.integers(0, 1_000_000), min_size=3, max_size=3).filter(any))
    return dict(zip(("r1", "r2", "r3"), (count / sum(counts) for count in counts), strict=True))
