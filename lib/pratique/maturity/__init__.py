"""The maturity review: a model of practices as data, collectors of evidence, answers of the team, and levels."""
