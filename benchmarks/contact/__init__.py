"""Stages of ``benchmarks.first_contact``, and the evaluation of their results.

    stages        which there are, in their order, and how long each may take
    running       a stage in a process of its own, with a time limit and a file of its own
    findings      what the figures show, and what to do then
    report        the tables

and, each a stage's process: machine, self_check, counters, race, gpu_tests. Kernels, stress,
variants, training and whole are benchmarks that can be run alone.
"""
