"""chainrule beside its peers: ``python -m benchmarks [NAME…]``.

Everything runs on two processors, whatever the machine has. That is set here, before NumPy is
imported, since the libraries look once, when they are loaded.
"""

import os

THREADS = 2

if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, str(THREADS))
os.environ["KERAS_BACKEND"] = "jax"
