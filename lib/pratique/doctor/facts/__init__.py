"""Read the facts of a host: its engine's API, and one script that changes nothing."""
