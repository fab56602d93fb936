"""Those who read what devices say: what waits for one who does not read is bounded."""

import asyncio
import gc
import weakref

from api.live.frames import Frame, Mark
from api.live.readers import QUEUED, Reader


def frame(number: int) -> Frame:
    return Frame("readings", f"[[1,{number},0]]", Mark(1, 1))


def test_what_waits_for_one_who_does_not_read_is_bounded_and_let_go_of() -> None:
    reader, seen = Reader(), []
    for number in range(QUEUED):
        each = frame(number)
        seen.append(weakref.ref(each))
        assert reader.offer(each)
        del each
    assert not reader.offer(frame(QUEUED)) and reader.ended
    gc.collect()
    assert not any(ref() for ref in seen)  # nothing of it is held any more
    assert reader.offer(frame(0))  # it was dropped once, and is not dropped again
    assert asyncio.run(reader.next()) is None


def test_one_who_reads_gets_all_in_order() -> None:
    async def read() -> list[str]:
        reader, found = Reader(), []
        for number in range(3 * QUEUED):
            assert reader.offer(frame(number))
            each = await reader.next()
            assert each is not None
            found.append(each.data)
        return found

    assert asyncio.run(read()) == [frame(number).data for number in range(3 * QUEUED)]
