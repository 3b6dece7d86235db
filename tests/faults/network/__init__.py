"""The faults of broker and network, N1 to N14, against the real publisher and outbox, and against whole daemons.

N1 to N3 ``test_down_and_up``, ``test_reconnect`` · N4, N5 ``test_silent``, ``test_cable`` · N6, N7 ``test_forgetful``
(with the subscriber library: ``tests/faults/ledger``) · N8, N9 ``test_refusals`` · N10 ``tests/faults/tls`` · N11
``test_rival`` · N12 ``test_names`` · N13 ``test_slow`` · N14 ``test_clock`` · nonsense ``test_garbage`` · all of them
and what is told of them ``test_daemon``, ``test_told``.
"""
