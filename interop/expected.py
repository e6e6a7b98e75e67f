"""What the chain has to look like: one trace per order, and the pieces that stock code makes of it."""

ORDERS = ("A", "B", "C")
"""The orders that are paid and shipped."""
POISON = "X"
"""The order that cannot be paid: three attempts, dead letters, a refund."""

PAID = """\
storefront: POST /orders SERVER
  storefront: send orders PRODUCER
    pricing: process orders CONSUMER -> poll orders, send orders
      pricing: send priced PRODUCER
        payments: process priced CONSUMER -> send priced
          payments: charge card INTERNAL
          payments: send paid PRODUCER
            shipping: process paid CONSUMER -> poll paid, send paid"""

REFUNDED = """\
storefront: POST /orders SERVER
  storefront: send orders PRODUCER
    pricing: process orders CONSUMER -> poll orders, send orders
      pricing: send priced PRODUCER
        payments: process priced CONSUMER failed -> send priced
          payments: charge card INTERNAL failed
        payments: process priced CONSUMER failed -> send priced
          payments: charge card INTERNAL failed
        payments: process priced CONSUMER failed -> send priced
          payments: charge card INTERNAL failed
          payments: send priced-dlt PRODUCER
            dead-letters: process priced-dlt CONSUMER -> send priced-dlt
              dead-letters: publish refunds PRODUCER
                refunds: process refunds CONSUMER -> publish refunds
                  refunds: ack refunds CLIENT
                  refunds: send archive PRODUCER
                    archive: process archive CONSUMER -> send archive
                      archive: delete archive CLIENT"""

# What stock code makes of the same: pricing has the parent but nothing current, payments only links, shipping begins
# anew.
_PIECES = (
    """\
storefront: POST /orders SERVER
  storefront: send orders PRODUCER
    pricing: process orders CONSUMER""",
    "pricing: send priced PRODUCER",
)
PAID_IN_PIECES = (
    *_PIECES,
    """\
payments: process priced CONSUMER -> send priced
  payments: charge card INTERNAL
  payments: send paid PRODUCER""",
    "shipping: process paid CONSUMER",
)

# The dead letter carries the headers of the record that failed, so it hangs on the trace in which that was sent; its
# service sends nothing on, and the poll of archive does not ask for what refunds has sent.
_ATTEMPT = """\
payments: process priced CONSUMER failed -> send priced
  payments: charge card INTERNAL failed"""
REFUNDED_IN_PIECES = (
    _PIECES[0],
    """\
pricing: send priced PRODUCER
  dead-letters: process priced-dlt CONSUMER""",
    _ATTEMPT,
    _ATTEMPT,
    _ATTEMPT,
    "refunds: process refunds CONSUMER",
    "archive: process archive CONSUMER",
)


def pieces(order: str, *, is_broken: bool) -> tuple[str, ...]:
    """Return the shapes of all traces in which an order is met, in the order of their text."""
    if not is_broken:
        return (REFUNDED if order == POISON else PAID,)
    return tuple(sorted(REFUNDED_IN_PIECES if order == POISON else PAID_IN_PIECES))
