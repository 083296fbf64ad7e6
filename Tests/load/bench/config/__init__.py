"""What one change of configuration costs: here and with the peers, by the number of routes, idle and while loaded.

main.py has the options and the order, worker.py and peers.py what is changed and how it is seen, measure.py the loop that times
changes, wire.py the clients, document.py the table.
"""
