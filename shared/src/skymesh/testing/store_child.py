"""A process that writes one document of every kind and is gone before it can close. See `StoreContract`."""

from __future__ import annotations

import asyncio
import os
import sys

from skymesh.testing.documents import cutouts, one_of_each
from skymesh.testing.opening import opened


async def _main(opener: str, address: str) -> None:
    async with opened(opener, address) as store:
        await store.write([*one_of_each(), cutouts()])
        print("written", flush=True)
        os._exit(9)


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
