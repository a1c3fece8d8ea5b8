"""People's work: whose a manual task is, until when, what they may do with it, and who has to agree."""
