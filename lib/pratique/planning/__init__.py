"""Plan a release: how long a good one takes to be promoted, and how soon a bad one is found."""
