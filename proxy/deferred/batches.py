"""What a batch used: its lines summed as they come, whatever their number; its own sum where they cannot be read."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from proxy.batch_files import endpoint_of, models_of
from proxy.deferred import Due, NotAccounted
from proxy.deferred.asking import TOO_LONG, Gone, lines_of
from proxy.deferred.shares import Share, Shares
from proxy.deferred.sold import sold_as
from proxy.forwarding import Forwarder
from proxy.metering.deferred import usage_of_batch_line, usage_of_object
from proxy.objects import Objects, OwnersUnavailable
from proxy.routing import RouteTable
from proxy.unreadable import UNREADABLE

UNREAD = "batch_output_unread"
"""The error code of an event that is a batch's own sum: its lines could not be read."""
_AT_ONCE = 100  # lines between two looks at calls


class _Batch(msgspec.Struct):
    endpoint: Any = None
    input_file_id: str | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None


_decode = msgspec.json.Decoder(_Batch).decode


class Batches:
    """Reads batches that have ended."""

    def __init__(self, forwarder: Forwarder, objects: Objects) -> None:
        self._forwarder = forwarder
        self._objects = objects

    async def shares(self, due: Due, routes: RouteTable, body: bytes) -> list[Share]:
        """What an ended batch used, by model. Raises `NotAccounted`."""
        try:
            batch = _decode(body)
        except UNREADABLE:
            raise NotAccounted("the batch cannot be read") from None
        models = await self._models(due, batch.input_file_id)
        endpoint = endpoint_of(batch.endpoint)
        shares = Shares(lambda named: sold_as(routes, due, named, models))
        files = [file for file in (batch.output_file_id, batch.error_file_id) if file]
        try:
            if endpoint is None:
                raise Gone
            number = 0
            for file in files:
                async for line in lines_of(self._forwarder, routes, due.upstream, file):
                    number += 1
                    if number % _AT_ONCE == 0:
                        await asyncio.sleep(0)
                    read = usage_of_batch_line(endpoint, line) if line != TOO_LONG else None
                    if read is None:
                        shares.add(None, None)
                    elif read.tokens is None or any(read.tokens[:4]) or read.tokens.units:
                        shares.add(read.model, read.tokens)
        except Gone:
            return _of_the_whole(due, routes, models, body)
        return shares.all()

    async def _models(self, due: Due, input_file: str | None) -> Sequence[str]:
        """The models that the lines of its input name, as its maker knows them."""
        if input_file is None:
            return ()
        try:
            owners = await self._objects.find(due.call.client_id, [input_file])
        except OwnersUnavailable as error:
            raise NotAccounted(str(error)) from None
        owner = owners.get(input_file)
        return models_of(owner.details) if owner is not None else ()


def _of_the_whole(due: Due, routes: RouteTable, models: Sequence[str], body: bytes) -> list[Share]:
    shares = Shares(lambda named: sold_as(routes, due, named, models))
    found = usage_of_object(due.kind, body)
    for named, tokens in found.shares if found is not None else ():
        shares.add(named, tokens)
    return shares.flagged(UNREAD)
