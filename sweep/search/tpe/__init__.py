"""Tree-structured Parzen estimators, fitted once for many asks."""

from sweep.search.tpe.sampler import TPE

__all__ = ["TPE"]
