"""Why a network does not learn: the health of its gradients, and the curvature of its loss."""

from __future__ import annotations
