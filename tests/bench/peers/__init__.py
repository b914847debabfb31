"""Job systems of others, measured beside Duly: see tests/bench/peers.py."""
