"""What stores that other programs fill have in common: increases of counters, rows made of them, and what they cannot tell."""
