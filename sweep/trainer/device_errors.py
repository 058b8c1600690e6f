"""Recognise out-of-memory errors of torch and Triton."""

from collections.abc import Iterator

import torch

#: Messages of errors other than OutOfMemoryError: "CUDA error: out of memory" for page-locked
#: memory and CUDA graphs (torch.AcceleratorError), "Triton Error [CUDA]: out of memory" for the
#: launch of a kernel, CUBLAS_STATUS_ALLOC_FAILED, and the allocator of the CPU.
_WORDS = ("out of memory", "_STATUS_ALLOC_FAILED", "can't allocate memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error, or one of its causes, says that memory ran out.

    If memory runs out while a CUDA graph is captured, the end of the capture fails as well, with
    another error.
    """
    return any(map(_says_out_of_memory, _chain(error)))


def _says_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error) for word in _WORDS)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and its causes, the newest first."""
    one: BaseException | None = error
    while one is not None:
        yield one
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
