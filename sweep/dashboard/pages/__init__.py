"""One module a page: ``layout(view, place)`` lays it out, ``register(app, view)`` keeps it alive.

A page's callbacks listen to ``revision`` (its data change when anything the page shows was written)
and read ``place`` to know what they show. What a page lets people choose goes into ``query``, a
dict that the shell writes into the address.
"""
