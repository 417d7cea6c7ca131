"""How a service is delivered: its deployments, the five delivery metrics, and what its canaries caught, from ledger and git."""
