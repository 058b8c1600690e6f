"""What Triton compiled for an H100, run on the CPU and counted.

    program       PTX taken apart: instructions, labels, registers, constants
    counts        wavefronts of shared memory, sectors of global memory
    memory        runs of bytes with an address
    block         the registers and memories of one thread block
    arithmetic, movement, tensor_cores    what instructions do, in a registry each
    control       branches, and which threads follow them
    emulator      a population's ``launch``: compiles, runs, counts
    training      a small population's steps and a measurement, beside autograd
    card          what a worker does before its first trial
    costs         what the kernels of one slot ask of an H100, as a table

It shows that the compiled program computes what it should, which Triton's interpreter cannot:
layouts, masks as they were compiled, tensor cores' fragments, swizzles. Accesses outside of a
tensor, or of the shared memory that a kernel asks for, raise.

All threads of a block take an instruction before any takes the next, and asynchronous copies and
products are done at once. So it cannot show races: a barrier or a wait that is missing is not
missed. Nor time: it counts. Numbers below the smallest normal one are kept where the card takes 0
for them (.ftz), and what the card approximates (.approx) is exact.

Instructions are those of the PTX ISA, release 8.8; names of its sections are in quotes. What the
kernels did not use with Triton 3.6 and 3.8 is not there, and no more is added: another version that
emits an unknown instruction makes the tests skip, with the instruction as their reason.
"""
