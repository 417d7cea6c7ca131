"""Runbooks: steps that change the world, journaled, resumed after a death, undone when one fails."""
