"""A crew: who does which task next, what a worker's death costs, and which copy of a straggler counts.

    class LocalExecutor(Crew):                        # an executor is a crew and where its workers come from
        def _start(self, gpu): ...                    #   a new Worker, or None where no more can be had
        def _wait(self, workers, seconds): ...        #   those of them that have news

What waits goes to the first free worker: pieces of reductions first, then later stages before earlier ones. A worker
does one unit after the other; of a stage that mostly waits (`Stage.at_once`) it does several at the same time, or one
beside a unit of another stage. A worker that dies costs one attempt at each of its units: another worker does them
again. A unit that had come further than the attempt before is not held to have failed.

A unit that takes much longer than others of its stage is given to a free worker a second time, where an executor makes
copies. The first that asks may commit; the run does not wait for the other. Cost: some 0.1 ms a task.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from typing import ClassVar, Self

from ..errors import VlcorpusError
from ..io import attempt
from ..stages.base import Stage
from .messages import Answer, Asks, Drops, Ended, Gave, Give, Lends, Piece, Says, Stop
from .roster import Given, Queue, Waiting, Worker
from .tasks import Done, Failed, Halted, Lost, Result, Task, Told

ATTEMPTS = 3
STOP_SECONDS = 8.0  # that workers have to end when they are asked to
LOOK_SECONDS = 1.0  # between two looks at what brings no news: stragglers, machines, whether to stop
COPY_SECONDS = 10.0  # a unit that is younger is no straggler
COPY_TIMES = 3.0  # as long as the middle one of its stage, and it is one
COPIES = 2  # of an attempt, where the first one's worker died
COPY_LEAST = 3  # units of its stage that must be done first
_LATEST = 101  # units whose times are looked at


Place = tuple[int, str]


class Crew:
    """The queue of an executor (see the module's header). copies: whether stragglers are done a second time."""

    copies: ClassVar[bool] = False

    def __init__(self) -> None:
        self._workers: list[Worker] = []
        self._waiting = Queue()
        self._numbers = itertools.count(1)
        self._attempts: dict[Place, list[Given]] = {}  # of units that are not done yet
        self._furthest: dict[Place, int] = {}  # rows that units whose worker died had come to
        self._times: dict[Stage, deque[float]] = defaultdict(lambda: deque(maxlen=_LATEST))  # that its units took
        self._stop_by: float | None = None
        self._stops: set[Worker] = set()  # that were told to

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # Where workers come from.

    def _start(self, gpu: bool) -> Worker | None:
        """A new worker, or None where no more can be had now."""
        raise NotImplementedError

    def _wait(self, workers: Sequence[Worker], seconds: float) -> Sequence[Worker]:
        """Those that have news or are dead, when there are any or the time is over or `_wake` was called."""
        raise NotImplementedError

    def _wake(self) -> None:
        """End a `_wait`; may be called by a signal's handler."""

    @property
    def slots(self) -> int:
        """Workers that there may be."""
        raise NotImplementedError

    def _wants_gpu(self, job: Task | Piece) -> bool:
        return False

    # What an executor does.

    def submit(self, task: Task) -> None:
        self._queue(Waiting(task))

    def results(self) -> Iterator[Result]:
        while self._wanted():
            yield from self._heed_stop()
            if not self._wanted():
                return
            self._hand_out()
            self._copy_stragglers()
            for worker in self._wait(self._workers, self._patience()):
                for result in self._news(worker):
                    yield result
                    if not isinstance(result, Told):
                        self._hand_out()

    def stop(self) -> None:
        """Hand out nothing more; workers have some seconds to end. A signal's handler may call this."""
        if self._stop_by is None:
            self._stop_by = time.monotonic() + STOP_SECONDS
        self._wake()

    def close(self) -> None:
        for worker in self._workers:
            worker.end()
        for worker in self._workers:
            worker.bury()
        self._workers.clear()
        self._attempts.clear()
        self._waiting.clear()

    def _wanted(self) -> bool:
        """Whether there is anything to wait for; attempts at what another one has done are not."""
        return any(self._attempts.values()) or bool(self._waiting)

    def _patience(self) -> float:
        if self._stop_by is not None:
            return max(0.0, self._stop_by - time.monotonic())
        return LOOK_SECONDS

    # Handing out.

    def _queue(self, waiting: Waiting) -> None:
        self._waiting.put(waiting, gpu=self._wants_gpu(waiting.job))

    def _hand_out(self) -> None:
        if self._stop_by is not None:
            return
        for gpu, count, following, take in self._waiting.each():
            if following.of is not None and not following.of.here:
                take()  # its reduction has ended
            elif (worker := self._worker_for(following.job, gpu, count)) is not None:
                take()
                self._give(worker, following)

    def _worker_for(self, job: Task | Piece, gpu: bool, waiting: int) -> Worker | None:
        own = [worker for worker in self._workers if worker.gpu == gpu]
        free = [worker for worker in own if worker.ready and worker.may_take(job)]
        idle = next((worker for worker in free if worker.idle()), None)
        if idle is not None:
            return idle
        coming = sum(not worker.ready for worker in own)
        while coming < waiting and (new := self._start(gpu)) is not None:
            self._workers.append(new)
            if new.ready:
                return new
            coming += 1
        if free:
            return min(free, key=lambda worker: len(worker.given))
        if not coming:
            self._free_one(own)
        return None

    def _free_one(self, workers: Sequence[Worker]) -> None:
        """End one worker that does nothing but what another has done: what waits can have its place."""
        for worker in workers:
            given = [each for each in worker.given.values() if isinstance(each.job, Task)]
            if given and not any(self._counts(each) for each in worker.given.values()):
                worker.end()
                worker.bury()
                self._workers.remove(worker)
                return

    def _counts(self, given: Given) -> bool:
        if isinstance(given.job, Piece):
            return given.what.of is not None and given.what.of.here
        return given in self._attempts.get(_place(given.job), ())

    def _leads(self, given: Given, task: Task) -> bool:
        """Whether it has come furthest of all attempts at its unit."""
        attempts = self._attempts.get(_place(task), [])
        return given in attempts and all(given.seen >= other.seen for other in attempts)

    def _give(self, worker: Worker, what: Waiting) -> None:
        given = Given(next(self._numbers), worker, what)
        asks = False
        if isinstance(what.job, Task):
            others = self._attempts.setdefault(_place(what.job), [])
            asks = self._may_copy(what.job)
            names = ("", *(str(number) for number in range(2, 2 + len(others))))
            given.copy = next(name for name in names if name not in {other.copy for other in others})
            others.append(given)
        worker.given[given.number] = given
        worker.send(given.number, Give(what.job, given.copy, asks, self.slots))

    # Stragglers.

    def _may_copy(self, task: Task) -> bool:
        return self.copies and task.stage.copies and task.stage.follows is not None

    def _copy_stragglers(self) -> None:
        """Give one that is far behind its stage to a worker that has nothing to do."""
        if not self.copies or self._stop_by is not None or self._waiting:
            return
        for attempts in list(self._attempts.values()):
            if len(attempts) != 1 or not self._straggles(attempts[0]):
                continue
            job, gpu = attempts[0].job, self._wants_gpu(attempts[0].job)
            own = [worker for worker in self._workers if worker.gpu == gpu and not worker.given]
            free = [worker for worker in own if worker.ready]
            if free:
                free.sort(key=lambda worker: worker.node == attempts[0].worker.node)
                attempts[0].copied += 1
                self._give(free[0], Waiting(job, attempts[0].what.attempt))
            elif not own and (new := self._start(gpu)) is not None:
                self._workers.append(new)

    def _straggles(self, given: Given) -> bool:
        task = given.job
        if not isinstance(task, Task) or given.claimed or given.copied >= COPIES:
            return False
        if not self._may_copy(task):
            return False
        times, age = self._times[task.stage], time.monotonic() - given.since
        return age > COPY_SECONDS and len(times) >= COPY_LEAST and age > COPY_TIMES * statistics.median(times)

    def _claims(self, given: Given) -> None:
        """Whether an attempt may commit: where no other one was told so before."""
        attempts = self._attempts.get(_place(given.job), []) if isinstance(given.job, Task) else []
        rivals = (other for other in attempts if other is not given)
        given.claimed = given in attempts and not any(other.claimed for other in rivals)
        given.denied = not given.claimed
        given.worker.send(given.number, Answer(given.claimed))

    # News.

    def _news(self, worker: Worker) -> Iterator[Result]:
        for number, message in worker.news():
            given = worker.given.get(number)
            if given is None:
                continue
            if isinstance(message, Says):
                given.seen = message.seen
                if isinstance(given.job, Task) and self._leads(given, given.job):
                    yield Told(given.job, message.seen, message.kept, message.about, worker.node)
            elif isinstance(message, Asks):
                self._claims(given)
            elif isinstance(message, Lends):
                given.lent += len(message.arguments)
                for place, argument in message.arguments:
                    piece = Piece(message.stage, message.corpus, message.does, argument)
                    self._queue(Waiting(piece, 1, given, message.share, place))
            elif isinstance(message, Drops):
                self._drop(given, message.share)
            elif isinstance(message, Ended):
                del worker.given[number]
                if isinstance(given.job, Piece):
                    self._piece_ended(given, message)
                else:
                    yield from self._ended(given, given.job, message)
        if not worker.alive():
            yield from self._died(worker)

    def _ended(self, given: Given, task: Task, ended: Ended) -> Iterator[Result]:
        attempts = self._attempts.get(_place(task), [])
        if given not in attempts:
            return  # another attempt was first
        attempts.remove(given)
        if ended.how == "done":
            del self._attempts[_place(task)]
            self._furthest.pop(_place(task), None)
            if self._may_copy(task):
                self._times[task.stage].append(time.monotonic() - given.since)
            yield Done(task, given.worker.node)
            return
        if ended.how == "superseded" or any(not other.denied for other in attempts):
            return  # it is for the other to say, or for one that was queued when the other died
        del self._attempts[_place(task)]
        self._furthest.pop(_place(task), None)
        if ended.how == "halted":
            yield Halted(task)
        elif ended.error is not None:
            yield Failed(task, ended.error, ended.trace)

    def _died(self, worker: Worker) -> Iterator[Result]:
        if worker in self._workers:
            self._workers.remove(worker)
        left = list(worker.given.values())
        code = worker.exit_code()
        worker.given.clear()
        worker.end()
        worker.bury()
        for given in left:
            if isinstance(given.job, Piece):
                self._piece_lost(given, code)
            else:
                yield from self._lost(given, given.job, code)

    def _lost(self, given: Given, task: Task, code: int | None) -> Iterator[Result]:
        """A worker died with this task: it is done again, unless it has been tried often enough and came no further."""
        place, tries = _place(task), given.what.attempt
        attempts = self._attempts.get(place, [])
        if given not in attempts:
            return
        attempts.remove(given)
        if any(not other.denied for other in attempts):
            return
        if not attempts:
            del self._attempts[place]
        if self._stop_by is not None:
            yield Halted(task)
            return
        if given.seen > self._furthest.get(place, 0):
            self._furthest[place], tries = given.seen, 0
        if tries < ATTEMPTS:
            self._queue(Waiting(task, tries + 1))
            yield Lost(task, given.what.attempt, code, given.worker.node)
            return
        self._furthest.pop(place, None)
        yield Failed(task, _dead(f"{task.stage.name} {task.unit}", code))

    # Pieces of reductions.

    def _piece_ended(self, given: Given, ended: Ended) -> None:
        self._gave(given.what, Gave(given.what.share, given.what.place, ended.value, ended.error, ended.trace))

    def _piece_lost(self, given: Given, code: int | None) -> None:
        what, piece = given.what, given.job
        if what.attempt < ATTEMPTS:
            self._queue(Waiting(piece, what.attempt + 1, what.of, what.share, what.place))
            return
        assert isinstance(piece, Piece)
        error = _dead(f"{piece.stage.name} {piece.does}", code)
        self._gave(what, Gave(what.share, what.place, error=error))

    def _gave(self, what: Waiting, gave: Gave) -> None:
        of = what.of
        if of is not None and of.here:
            of.lent = max(0, of.lent - 1)
            of.worker.send(of.number, gave)

    def _drop(self, given: Given, share: int) -> None:
        """What waits of a share is not wanted any more."""
        given.lent -= self._waiting.drop(given, share)

    # Stopping.

    def _heed_stop(self) -> Iterator[Result]:
        if attempt.stopping.is_set():  # by what keeps the corpus' lease
            self.stop()
        if self._stop_by is None:
            return
        self._waiting.clear()
        for worker in self._workers:
            if worker not in self._stops:
                self._stops.add(worker)
                worker.send(0, Stop())
        if time.monotonic() >= self._stop_by:
            halted = [attempts[0].job for attempts in self._attempts.values() if attempts]
            self.close()
            yield from (Halted(task) for task in halted if isinstance(task, Task))


def _place(task: Task) -> Place:
    return task.number, task.unit


def _dead(what: str, code: int | None) -> VlcorpusError:
    how = ""
    if code is not None:
        how = f" (signal {-code})" if code < 0 else f" (exit code {code})"
    return VlcorpusError(f"{what}: the worker died {ATTEMPTS} times{how}", "is there enough memory? try --workers 1")
