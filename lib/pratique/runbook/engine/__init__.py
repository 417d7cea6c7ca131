"""What runs steps: journaled, locked, resumed, undone. It knows no service."""
