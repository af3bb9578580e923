"""The way out of sandboxes: nothing by default, else what a named list of hosts and ranges of addresses allows.

`policy` says what a list is, `book` keeps the lists of this machine, `way` leads to what they allow, `door` is the
proxy that each sandbox has, and `addresses` knows what is never reached, whatever a list says.
"""

from __future__ import annotations

from agentbay_local.egress.book import NoPolicy, PolicyBook, PolicyFault
from agentbay_local.egress.policy import NOTHING, Permit, Policy, Rule, UnfitRule
from agentbay_local.egress.reach import Reach, Streams
from agentbay_local.egress.refusing import Refused
from agentbay_local.egress.way import WayOut

__all__ = [
    "NOTHING",
    "NoPolicy",
    "Permit",
    "Policy",
    "PolicyBook",
    "PolicyFault",
    "Reach",
    "Refused",
    "Rule",
    "Streams",
    "UnfitRule",
    "WayOut",
]
