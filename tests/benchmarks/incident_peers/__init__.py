"""Peers of the incident analysis. Those that name places are written from their papers and get the expectation used here."""

from benchmarks.incident_peers.adtributor import adtributor
from benchmarks.incident_peers.riskloc import riskloc
from benchmarks.incident_peers.robustspot import robustspot
from benchmarks.incident_peers.squeeze import squeeze

PEERS = {"Adtributor": adtributor, "RiskLoc": riskloc, "Squeeze": squeeze, "RobustSpot": robustspot}
"""Methods that name places of `Cells`."""
