"""The release runbook: a canary gets traffic in stages, is judged, and is promoted or taken out."""
