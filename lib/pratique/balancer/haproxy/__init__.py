"""HAProxy as the balancer: its configuration, the hosts it runs on, and its desired state."""
