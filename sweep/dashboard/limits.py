"""Limits of a request to the dashboard."""

#: Size of a body. The largest that pages send are those of studies with long names, some 100 kB.
BODY_BYTES = 512 * 1024
#: Size of the first line and the headers.
HEADER_BYTES = 64 * 1024
#: Time from a request's first byte to its last, or from a new connection to its first byte.
REQUEST_SECONDS = 15
#: Time that a connection may be idle between two requests.
IDLE_SECONDS = 120
#: Open connections. At the limit, those that have waited longest for a request are closed.
CONNECTIONS = 500
#: Rows of the grid in one response.
ROWS = 1_000
