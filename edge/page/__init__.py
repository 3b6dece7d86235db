"""The status page of the window PC: read-only, on the loopback only, in Chinese and English.

``http`` reads a request and says what is answered, without I/O; ``server`` is the sockets; ``said`` puts what the
daemon knows into sentences of both languages. What the browser gets stands in ``static/``.
"""
