import asyncio

from recognition_worker.adapters.turns import Turns


async def test_one_key_is_worked_on_in_order_and_others_do_not_wait() -> None:
    turns, done = Turns(), []
    gates = {name: asyncio.Event() for name in ("first", "second", "other")}

    async def work(key: bytes, name: str) -> None:
        async with turns.turn(key):
            await gates[name].wait()
            done.append(name)

    tasks = [
        asyncio.create_task(work(key, name))
        for key, name in ((b"ada", "first"), (b"ada", "second"), (b"bob", "other"))
    ]
    gates["second"].set()
    gates["other"].set()
    await tasks[2]
    assert done == ["other"]
    gates["first"].set()
    await asyncio.gather(*tasks)
    assert done == ["other", "first", "second"]
    assert turns._last == {}


async def test_a_turn_that_fails_passes_on() -> None:
    turns = Turns()

    async def fail() -> None:
        async with turns.turn(b"ada"):
            raise ZeroDivisionError

    failing = asyncio.create_task(fail())
    await asyncio.wait({failing})
    assert isinstance(failing.exception(), ZeroDivisionError)
    async with turns.turn(b"ada"):
        pass
