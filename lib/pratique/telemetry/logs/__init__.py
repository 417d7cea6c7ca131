"""Access log formats: what each field of a line means, and how its text becomes an event.

`fields` says what a field is; a module per dialect (`nginx`, `apache`, `haproxy`, `envoy`) turns a format string into
fields; `template` makes regular expressions of them; `presets` names the formats of common programs; `meaning`, `times`
and `events` turn the texts of the fields into events, whatever format they come from.
"""
