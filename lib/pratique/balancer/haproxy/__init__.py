"""HAProxy as the balancer: its configuration, the hosts it runs on, and the state it is wanted to have."""
