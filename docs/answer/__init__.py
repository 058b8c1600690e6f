"""The answer to the question that this product began with: its studies, and the pages from them.

python -m docs.answer run      # the studies: in full on a GPU, in a reduced form on a CPU
python -m docs.answer write    # docs/answer.md and docs/answer.ja.md, from docs/answer/results.db
"""
