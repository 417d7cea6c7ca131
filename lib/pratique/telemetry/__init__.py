"""Telemetry: receive or import access lines, map them to actions, and add them up to rollups."""
