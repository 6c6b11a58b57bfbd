"""What is timed has the machine to itself."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from benchmarks.zoo.slots import Slots


def test_two_at_a_time_and_one_alone():
    slots, lock, inside, seen = Slots(2), threading.Lock(), [0], []

    def work(alone):
        with slots.alone() if alone else slots.beside_others():
            with lock:
                inside[0] += 1
                seen.append((alone, inside[0]))
            threading.Event().wait(0.002)
            with lock:
                seen.append((alone, inside[0]))
                inside[0] -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, [number % 4 == 0 for number in range(40)]))
    assert max(count for alone, count in seen if not alone) == 2
    assert {count for alone, count in seen if alone} == {1}
    assert inside == [0]
