"""Stages of ``benchmarks.first_contact``, and the evaluation of their results.

   stages        list of the stages, with the time limit of each
   running       run a stage in a separate process with a time limit and a file of its own
   findings      rules that turn figures into findings and recommendations
   report        the tables

The other modules (machine, self_check, counters, race, gpu_tests) are stages' processes. Kernels,
stress, variants, training and whole are benchmarks that can be run alone.
"""
