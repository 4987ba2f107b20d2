"""`python -m bench gateway`: the hop through a gateway, the way from zero, and what a sleeping model costs it.

measure.py    the three parts, one after the other
running.py    the gateway that is measured: the real Envoy and agent, against the tests' small API server
hop.py        direct, through ours, through plain Envoy and through nginx, in turns;  peers.py  those others
zero.py       wakes, in turns with two controls;  controls.py  these;  pod.py  what is woken
idle.py       memory and CPU with 0, 200, 1,000 sleeping models
"""
