"""Programs for those who work on Pratique: the reference's generator and the check of the wording."""
