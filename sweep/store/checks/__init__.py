"""What may be wrong with a study, and mending it: a module for each kind; see store.examine."""
