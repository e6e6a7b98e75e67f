"""boto3: what zero-code instrumentation replaces."""

# The client has no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false

from botocore.client import BaseClient

from unbroken.clients.sqs.zero_code import zero_code_of

ZERO_CODE = zero_code_of(BaseClient, is_async=False)
"""The calls of every client."""
