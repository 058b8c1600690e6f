"""The public API behind ``import sweep``: databases, studies, frames, figures, networks, runs."""
