"""Starting and watching workers. A launcher knows processes and devices, nothing of trials."""
