"""One module per page: ``layout(view, place)`` lays it out, ``register(app, view)`` keeps it live.

A page's callbacks listen to ``revision`` (its data change when anything that the page shows was
written) and read ``place`` to know what they show. A page keeps choices in ``query``, a dict that
the shell writes into the address.
"""
