"""Find and repair what may be wrong with a study, a module for each kind; see store.examine."""
