"""The pipelines of a repository: which commands they run, what starts them, and how many jobs can run at once."""
