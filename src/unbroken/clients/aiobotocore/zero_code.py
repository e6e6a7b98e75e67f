"""aiobotocore: what zero-code instrumentation replaces."""

# The client has no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false

from aiobotocore.client import AioBaseClient

from unbroken.clients.sqs.zero_code import zero_code_of

ZERO_CODE = zero_code_of(AioBaseClient, is_async=True)
"""The calls of every client."""
