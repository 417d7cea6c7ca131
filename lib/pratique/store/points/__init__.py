"""The store that reads what other programs, such as Telegraf, write to InfluxDB 2. It is never written."""
