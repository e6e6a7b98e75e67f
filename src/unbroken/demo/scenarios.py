"""What the customers of the demo do, and what should become of it."""

from __future__ import annotations

from dataclasses import dataclass

from unbroken.demo.bank import BUSY, EXPIRED, GOOD


@dataclass(frozen=True, slots=True)
class Request:
    """One request of a customer: to which path, for which order, paid with which card."""

    path: str
    order: str
    card: str


@dataclass(frozen=True, slots=True)
class Scenario:
    """A story told by one section of the page.

    Attributes:
        name: for links and tests.
        title: what it is called on the page.
        story: what happens, in one sentence.
        before: why it breaks the way most code is written.
        after: what unbroken does instead.
        requests: of the customers; each should be one trace.
    """

    name: str
    title: str
    story: str
    before: str
    after: str
    requests: tuple[Request, ...]

    @property
    def orders(self) -> frozenset[str]:
        """The orders that it is about."""
        return frozenset(request.order for request in self.requests)


SCENARIOS = (
    Scenario(
        "chain",
        "One hop",
        "An order is accepted and paid.",
        "The producer injected <code>traceparent</code>. Nobody made it current where the handler runs, so the payment "
        "service begins a trace of its own.",
        "<code>with process(message):</code> continues the producer's trace for as long as the handler runs.",
        (Request("orders", "1001", GOOD),),
    ),
    Scenario(
        "retry",
        "A retry",
        "The bank is busy: the order goes through the retry topic and is paid at the second attempt.",
        "Each attempt is a trace of its own, and the copied headers say nothing about the first one.",
        "<code>forward(message, error=error)</code> puts one <code>traceparent</code> of the failed attempt on the "
        "message, counts the attempt and keeps where it came from.",
        (Request("orders", "1002", BUSY),),
    ),
    Scenario(
        "dead-letter",
        "A dead letter",
        "The card is expired: two attempts fail, then the dead-letter handler writes to the customer.",
        "The letter to the customer, the error and the order that caused it are in different traces; "
        "only a search for the order's number brings them together.",
        "From the letter up to the customer's request, through both errors: one trace.",
        (Request("orders", "1003", EXPIRED),),
    ),
    Scenario(
        "batch",
        "A batch of ten",
        "Ten customers want their money back; the bank takes ten refunds at a time.",
        "One span around the batch: ten customers in one trace, and none of them in their own.",
        "<code>with process(message):</code> in the loop puts each record into its own producer's trace.",
        tuple(Request("refunds", str(order), GOOD) for order in range(2001, 2011)),
    ),
)
