"""The ledger: an append-only, hash-chained record of releases and of every step, shared by several processes."""

from pratique.ledger.entry import Entry, LedgerHead
from pratique.ledger.history import ReleaseRecord
from pratique.ledger.ledger import Ledger, current_user, open_ledger

__all__ = ["Entry", "Ledger", "LedgerHead", "ReleaseRecord", "current_user", "open_ledger"]
