"""The native driver: walks a program, a table of steps, on one thread or on several.

Each step's units are cut into chunks, the chunks split evenly over the threads. A thread takes its
own chunks one by one and then what others have not begun, so a thread that comes late, or never,
holds up nothing; which thread runs a chunk changes no bits. A step begins when the one before is
complete: whoever completes it publishes the next. Entry function: `drive`. May import: NumPy,
`atomics`.

A program is int64 rows of ROW words: kernel, segments, number of segments, chunk size in units,
1 if only thread 0 may run it; word LASTED of the first row is the driver's own. A segment is
SEGMENT words: argument block, units. A thread's claim holds the step's serial number and how many
of its chunks are taken in one word, so a latecomer that still looks at a finished step takes none.
"""

import numpy as np

from .atomics import (
    add,
    call_kernel,
    compare_swap,
    core_now,
    give_way,
    load,
    nanoseconds,
    pause,
    sleep_while,
    stay_on,
    store,
    swap,
    wake_all,
    words_at,
)

ROW = 8
SEGMENT = 2
LINE = 8  # words in a cache line

# Words of the shared state, each on a line of its own where several threads write it.
SERIAL = 0 * LINE  # serial number of the step that runs; the only word that threads wait for
DONE = 1 * LINE  # chunks of it that are complete
SLEEPERS = 2 * LINE  # threads that may be asleep
FAILED = 3 * LINE  # whether a kernel returned an error
PROGRAM = 4 * LINE  # table, first serial number, number past the last step, start time, core
TICKET = 5 * LINE  # serial number, chunks, row, threads, chunk size: what taking chunks needs
SETTINGS = 6 * LINE  # threads, spins before sleeping, spins before giving way, 1 to stop, cores
CORES = SETTINGS + 4  # address of a bit for each core that may be used, then one row a worker
CORE_WORDS = SETTINGS + 5  # how many words these bits are
THREADS = 8 * LINE  # from here on two lines a thread: claim, then the record below

# Offsets in a thread's two lines; the first holds its claim alone.
SCRATCH = 8  # address of its scratch
FAILED_AT = 9  # serial number of the step in which it met an error
FAILED_CHUNK = 10  # the first such chunk
FAILED_SEGMENT = 11  # the segment of that chunk
FAILED_CODE = 12  # what the kernel returned
FAILED_SLOT = 13  # copy of the error slot: three words
WORDS_PER_THREAD = 16

LASTED = 7  # word of a program's first row: how long it ran last time, in nanoseconds
# Waking a sleeper costs the waker up to 30 us: a program does that when it turns out to be long, or
# at once when it was long last time.
_LONG = 30_000
_LONG_AT_ONCE = 100_000

_SHIFT = 24  # bits of a claim that count chunks
_TAKEN = (1 << _SHIFT) - 1
_MOST = 1 << 22  # chunks a thread may have in a step: longer ones are used above
_ERROR_BYTES = 64


def _chunk_size(row, threads):
    """Units in a chunk: as the step says, or more where a thread would have too many chunks."""
    size = max(row[3], 1)
    segments = words_at(row[1])
    units = 0
    for i in range(row[2]):
        units += segments[i * SEGMENT + 1]
    while units // size > _MOST * threads:
        size += size
    return size


def _chunks(row, size):
    segments = words_at(row[1])
    count = 0
    for i in range(row[2]):
        count += (segments[i * SEGMENT + 1] + size - 1) // size
    return count


def _record(state, line, serial, chunk, segment, code):
    """Keep the error of the lowest chunk of a step, so that what is reported is always the same."""
    if state[line + FAILED_AT] != serial or chunk < state[line + FAILED_CHUNK]:
        state[line + FAILED_AT] = serial
        state[line + FAILED_CHUNK] = chunk
        state[line + FAILED_CODE] = np.int64(code)
        state[line + FAILED_SEGMENT] = segment
        slot = words_at(state[line + SCRATCH] - _ERROR_BYTES)
        for i in range(3):
            state[line + FAILED_SLOT + i] = slot[i + 1]
    store(state, FAILED, 1)


def _run_chunk(state, line, serial, row, size, chunk):
    segments = words_at(row[1])
    segment = 0
    low = chunk * size
    while low >= segments[segment * SEGMENT + 1]:
        # Segments are cut one by one: the next starts at a new chunk.
        low -= (segments[segment * SEGMENT + 1] + size - 1) // size * size
        segment += 1
    high = min(low + size, segments[segment * SEGMENT + 1])
    code = call_kernel(row[0], segments[segment * SEGMENT], low, high, state[line + SCRATCH])
    if code != 0:
        _record(state, line, serial, chunk, segment, code)


def _run_whole(state, line, serial, row):
    """A whole step on this thread."""
    segments = words_at(row[1])
    for segment in range(row[2]):
        units = segments[segment * SEGMENT + 1]
        if units > 0:
            block = segments[segment * SEGMENT]
            code = call_kernel(row[0], block, 0, units, state[line + SCRATCH])
            if code != 0:
                _record(state, line, serial, segment, segment, code)


def _rouse(state):
    """Wake the sleepers if this program is worth it."""
    if nanoseconds() - load(state, PROGRAM + 3) > _LONG:
        swap(state, SLEEPERS, 0)
        wake_all(state, SERIAL)


def _publish(state, serial, chunks, row, threads, size):
    """Open a step to all threads; no chunks: it is thread 0's, or the program is over."""
    store(state, TICKET, -1)
    store(state, TICKET + 1, chunks)
    store(state, TICKET + 2, row)
    store(state, TICKET + 3, threads)
    store(state, TICKET + 4, size)
    store(state, TICKET, serial)
    swap(state, SERIAL, serial)
    if chunks > 0 and load(state, SLEEPERS) > 0:
        _rouse(state)


def _advance(state, thread, serial):
    """Go on to step `serial`: thread 0 runs what is serial at once, anyone publishes the rest."""
    table = load(state, PROGRAM)
    first = load(state, PROGRAM + 1)
    last = load(state, PROGRAM + 2)
    threads = load(state, SETTINGS)
    while serial < last and load(state, FAILED) == 0:
        address = table + (serial - first) * (ROW * 8)
        row = words_at(address)
        size = _chunk_size(row, threads)
        chunks = _chunks(row, size)
        if chunks > 1 and row[4] == 0:
            _publish(state, serial, chunks, address, threads, size)
            return
        if thread != 0:
            _publish(state, serial, 0, address, threads, size)
            return
        _run_whole(state, THREADS, serial, row)
        serial += 1
    _publish(state, last, 0, 0, threads, 1)


def _help(state, thread, serial):
    """Take chunks of step `serial` until none is left; publish the next if this completes it."""
    # The ticket's fields are read before its number: if that is still `serial`, they belong to it.
    chunks = load(state, TICKET + 1)
    address = load(state, TICKET + 2)
    threads = load(state, TICKET + 3)
    size = load(state, TICKET + 4)
    if load(state, TICKET) != serial or thread >= threads:
        return
    if chunks == 0:
        if thread == 0:
            _advance(state, thread, serial)
        return
    mine = THREADS + thread * WORDS_PER_THREAD
    for turn in range(threads):
        owner = thread + turn
        if owner >= threads:
            owner -= threads
        begin = chunks * owner // threads
        count = chunks * (owner + 1) // threads - begin
        line = THREADS + owner * WORDS_PER_THREAD
        while count > 0:
            claim = load(state, line)
            if claim >> _SHIFT > serial:
                return
            taken = 0
            if claim >> _SHIFT == serial:
                taken = claim & _TAKEN
            if taken >= count:
                break
            if not compare_swap(state, line, claim, (serial << _SHIFT) + taken + 1):
                continue
            _run_chunk(state, mine, serial, words_at(address), size, begin + taken)
            if add(state, DONE, 1) + 1 == chunks:
                store(state, DONE, 0)
                _advance(state, thread, serial + 1)
                return
            if load(state, SLEEPERS) > 0:
                _rouse(state)


def walk(state, table, steps):
    """Thread 0: run a program together with the workers; whether a kernel failed."""
    row = words_at(table)
    begin = nanoseconds()
    started = begin
    if row[LASTED] > _LONG_AT_ONCE:
        started = 0
    first = load(state, SERIAL) + 1
    last = first + steps
    store(state, FAILED, 0)
    store(state, PROGRAM, table)
    store(state, PROGRAM + 1, first)
    store(state, PROGRAM + 2, last)
    store(state, PROGRAM + 3, started)
    store(state, PROGRAM + 4, core_now())
    _advance(state, 0, first)
    patience = load(state, SETTINGS + 2)
    serial = load(state, SERIAL)
    while serial < last:
        _help(state, 0, serial)
        spins = 0
        while load(state, SERIAL) == serial:
            # Someone else still runs a chunk; it may need this very core.
            spins += 1
            if spins > patience:
                give_way()
            else:
                pause()
        serial = load(state, SERIAL)
    row[LASTED] = nanoseconds() - begin
    return load(state, FAILED)


def walk_alone(state, table, steps):
    """Run a program on this thread; whether a kernel failed."""
    serial = load(state, SERIAL) + 1
    store(state, FAILED, 0)
    for step in range(steps):
        row = words_at(table + step * (ROW * 8))
        _run_whole(state, THREADS, serial + step, row)
        if load(state, FAILED) != 0:
            break
    store(state, SERIAL, serial + steps)
    return load(state, FAILED)


def _leave(state, thread):
    """Keep off the core of thread 0: the system likes to wake a thread where its waker runs, and
    two threads that never sleep may then share a core for long while another is idle."""
    words = state[CORE_WORDS]
    core = core_now()
    if core < 0 or core != load(state, PROGRAM + 4) or core >= words * 64:
        return
    allowed = words_at(state[CORES])
    address = state[CORES] + thread * words * 8
    mine = words_at(address)
    others = np.int64(0)
    for i in range(words):
        mine[i] = allowed[i]
        if i == core >> 6:
            mine[i] = allowed[i] & ~(1 << (core & 63))
        others |= mine[i]
    if others != 0:
        stay_on(address, words)


def work(state, thread):
    """A worker: wait for steps and help with them until the pool stops."""
    serial = load(state, SERIAL)
    patience = load(state, SETTINGS + 1)
    program = np.int64(-1)
    while load(state, SETTINGS + 3) == 0:
        if load(state, PROGRAM + 1) != program:
            program = load(state, PROGRAM + 1)
            _leave(state, thread)
        _help(state, thread, serial)
        spins = 0
        while load(state, SERIAL) == serial:
            spins += 1
            if spins <= patience and thread < load(state, SETTINGS):
                pause()
            else:
                add(state, SLEEPERS, 1)
                sleep_while(state, SERIAL, serial)
        serial = load(state, SERIAL)


def spin(state, count):
    """Wait as the loops above do, `count` times: to learn how long a turn takes."""
    for _ in range(count):
        if load(state, SERIAL) == -1:
            break
        pause()


def stop(state):
    """Make `work` return on every worker."""
    store(state, SETTINGS + 3, 1)
    add(state, SERIAL, 1)
    wake_all(state, SERIAL)


WALK, WALK_ALONE, WORK, SPIN, STOP = range(5)


def drive(state, what, a, b):
    """WALK or WALK_ALONE b steps of table a; WORK as thread a; SPIN a times; STOP the workers."""
    if what == WALK:
        return walk(state, a, b)
    if what == WALK_ALONE:
        return walk_alone(state, a, b)
    if what == WORK:
        work(state, a)
    if what == SPIN:
        spin(state, a)
    if what == STOP:
        stop(state)
    return np.int64(0)
