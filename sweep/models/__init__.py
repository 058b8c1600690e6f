"""Use trained networks outside of sweep: their files, and code that loads them."""
