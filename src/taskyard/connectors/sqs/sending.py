"""Sending to SQS, in batches as large as it takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from taskyard.calls.sqs import LARGEST, REFUSED, attributes, told
from taskyard.calls.together import together
from taskyard.connectors.sqs.options import AT_ONCE, reaching
from taskyard.contracts.connector import Message, Refusal

_MOST_BYTES = 240 * 1024
"""What a batch may have in all with every SQS there is, attributes included."""
_ATTRIBUTE_BYTES = 600
_CALLS = 8


async def send(client: Any, queue: str, messages: Sequence[Message]) -> list[Refusal | None]:
    """As `Connector.publish`. A batch that is refused as one is sent again one by one."""

    async def send_batch(batch: Sequence[Message]) -> list[Refusal | None]:
        if len(batch[0].body) + _ATTRIBUTE_BYTES > LARGEST:  # alone, as it is over a batch's size
            return [Refusal(f"the message has {len(batch[0].body)} bytes, more than SQS takes")]
        answers = await _send_batch(client, queue, batch)
        if answers is None:
            return [answer for one in batch for answer in await send_batch([one])]
        return answers

    answers = await together([partial(send_batch, batch) for batch in batches(messages)], _CALLS)
    return [answer for batch in answers for answer in batch]


def batches(messages: Sequence[Message]) -> Iterator[list[Message]]:
    """The messages in their order, as many together as one call takes."""
    batch: list[Message] = []
    size = 0
    for message in messages:
        weight = len(message.body) + _ATTRIBUTE_BYTES
        if batch and (len(batch) == AT_ONCE or size + weight > _MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(message)
        size += weight
    if batch:
        yield batch


async def _send_batch(client: Any, queue: str, batch: Sequence[Message]) -> list[Refusal | None] | None:
    """The answers; None where a batch of several was refused as one."""
    fifo = queue.endswith(".fifo")
    entries = [_entry(k, message, fifo=fifo) for k, message in enumerate(batch)]
    async with reaching():
        try:
            answer = await client.send_message_batch(QueueUrl=queue, Entries=entries)
        except ClientError as error:
            reason = error.response.get("Error", {})
            if reason.get("Code") not in REFUSED:
                raise
            return [Refusal(told(reason))] if len(batch) == 1 else None
    failed = {each["Id"]: each for each in answer.get("Failed", ())}
    return [
        Refusal(told(failed[str(k)]), sick=not failed[str(k)].get("SenderFault", True)) if str(k) in failed else None
        for k in range(len(batch))
    ]


def _entry(number: int, message: Message, *, fifo: bool) -> dict[str, Any]:
    text = message.body.decode().replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")  # SQS takes no others
    entry = {"Id": str(number), "MessageBody": text, "MessageAttributes": attributes(dict(message.headers))}
    if fifo:
        entry |= {"MessageGroupId": message.key, "MessageDeduplicationId": message.id}
    return entry
