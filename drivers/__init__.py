"""Device drivers: one file = one driver = one ``driver = "…"`` name of the configuration.

A file that begins with an underscore helps the driver it is named after (``_sdt_…`` → ``idcard_sdt``) and is
no driver itself. Drivers import ``edge`` and their own helpers, never each other and never a simulator.
"""
