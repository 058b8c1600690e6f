"""Run a process that owns one device: it receives trial specs, trains them and sends events back.

``python -m sweep.worker`` exchanges lines of ``sweep.codec`` on its standard input and output. It
uses neither SQL nor Optuna, and exits within a moment when its input closes: that is how it notices
that its coordinator has exited or died.
"""
