"""Find, check and read data sets of small images. Imports no torch (except for downloads).

A name of ``enums.Dataset`` is searched next to the code, in the cache folder, in Debian's dataset
packages, and then downloaded into the cache; anything else is the path of a user's own images, in
one of ``formats.FORMATS`` or as IDX files. A damaged copy, or one of another data set, is an error
and never skipped.
"""

from sweep.datasets.archive import DatasetArchive, install
from sweep.datasets.copies import write_copy
from sweep.datasets.given import images_given
from sweep.datasets.images import Images
from sweep.datasets.library import (
    DatasetStatus,
    class_names,
    find,
    for_workers,
    is_here,
    list_known,
    load,
    load_again,
    prepare,
)
from sweep.datasets.places import State, cache_folder
from sweep.datasets.summary import DatasetSummary, summarise

__all__ = [
    "DatasetArchive",
    "DatasetStatus",
    "DatasetSummary",
    "Images",
    "State",
    "cache_folder",
    "class_names",
    "find",
    "for_workers",
    "images_given",
    "install",
    "is_here",
    "list_known",
    "load",
    "load_again",
    "prepare",
    "summarise",
    "write_copy",
]
