"""The bank, played by a short sleep: some cards are refused."""

from __future__ import annotations

import time

GOOD, BUSY, EXPIRED = "good", "bank is busy at first", "expired"

_asked: set[str] = set()


class BankError(Exception):
    """The bank did not take the money."""


def charge(order: dict[str, str]) -> None:
    """Take the money for an order.

    Raises:
        BankError: the bank is busy, which passes, or the card is expired, which does not.
    """
    time.sleep(0.03)
    again = order["id"] in _asked
    _asked.add(order["id"])
    if order["card"] == EXPIRED:
        raise BankError(f"card of order {order['id']} is expired")
    if order["card"] == BUSY and not again:
        raise BankError("bank is busy, try again")


def pay_back(refund: dict[str, str]) -> None:  # noqa: ARG001 - the bank pays back whatever it is
    """Return the money of an order."""
    time.sleep(0.008)


def write_to_customer(order: dict[str, str]) -> None:  # noqa: ARG001 - nobody writes a real letter here
    """Tell the customer that the order cannot be paid."""
    time.sleep(0.02)


def reserve(order: dict[str, str]) -> None:  # noqa: ARG001 - there is enough of everything
    """Put the goods of an order aside."""
    time.sleep(0.006)
