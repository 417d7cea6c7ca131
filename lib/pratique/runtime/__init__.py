"""Where releases run."""
