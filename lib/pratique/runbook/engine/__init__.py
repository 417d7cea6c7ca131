"""The engine runs steps: journaled, locked, resumable, undone on failure. It knows no service."""
