"""Find, check and read data sets of small grey images. Imports no torch (a download does).

A name of ``names.Dataset`` is looked for beside the code, in the cache folder, in Debian's dataset
packages, and then downloaded into the cache; anything else is the path of a folder of IDX files.
A copy that turns out damaged, or to be another data set, is an error and never passed over.
"""

from sweep.datasets.archive import DatasetArchive, install
from sweep.datasets.images import Images
from sweep.datasets.library import DatasetStatus, class_names, find, known, load, prepare
from sweep.datasets.places import State, cache_folder

__all__ = [
    "DatasetArchive",
    "DatasetStatus",
    "Images",
    "State",
    "cache_folder",
    "class_names",
    "find",
    "install",
    "known",
    "load",
    "prepare",
]
