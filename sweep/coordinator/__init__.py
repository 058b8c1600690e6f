"""The loop that runs a study: ask, hand out, hear, prune, tell, write; one per study."""
