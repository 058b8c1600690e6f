"""A process that owns one device: it receives trial specs, trains them and sends events back.

``python -m sweep.worker`` speaks lines of ``sweep.codec`` on its standard input and output. It
knows neither SQL nor Optuna, and ends itself within a moment when its input closes: that is how
it learns that its coordinator is gone, however it went.
"""
