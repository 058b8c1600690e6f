"""How much one request may ask for, and how long it may take to say so: see docs/dashboard.md."""

#: Of a body. The largest that a page sends are those of studies with long names, some 100 kB.
BODY_BYTES = 512 * 1024
#: Of the first line and the headers.
HEADER_BYTES = 64 * 1024
#: From the first byte of a request to its last, and of a connection that has not sent any.
REQUEST_SECONDS = 15
#: Of a connection between two requests.
IDLE_SECONDS = 120
#: Open at once. At the limit those that have waited longest for a request are closed.
CONNECTIONS = 500
#: Of a filter, as typed or in an address.
FILTER_LETTERS = 4_000
#: Of the grid, that one request gets.
ROWS = 1_000
