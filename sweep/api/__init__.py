"""The public API of ``import sweep``: databases, studies, frames, figures, networks, runs."""
