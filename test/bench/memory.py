"""What a backend and its parallel workers take: peak memory, and the workers' processor time."""

import os
import re
import threading

TICK = os.sysconf("SC_CLK_TCK")


class PeakMemory:
    """Samples while it is entered: private memory of the processes plus the shared segments made for them.

    VmHWM would count the pages of shared_buffers that the backend touched; RssAnon leaves them out. What parallel
    workers share (dynamic shared memory) is no private memory, so its segments are added, each once.
    """

    INTERVAL = 0.1

    def __init__(self, pid):
        self.pid = pid
        self.peak = 0
        self.cpu = {}  # worker -> seconds when it was last seen
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.thread.join()

    @property
    def worker_cpu_seconds(self):
        return sum(self.cpu.values())

    def _sample(self):
        while not self.stopped.wait(self.INTERVAL):
            workers = _workers(self.pid)
            private = sum(_private_bytes(pid) for pid in [self.pid] + workers)
            self.peak = max(self.peak, private + _segment_bytes(self.pid))
            for worker in workers:
                self.cpu[worker] = max(self.cpu.get(worker, 0), process_cpu_seconds(worker))


def process_cpu_seconds(pid):
    """Processor time of a process with all its threads, also those that have ended; 0 when it has ended itself."""
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK if fields else 0


def thread_cpu_seconds(pid):
    """Processor time of a process's first thread, to the nanosecond."""
    return int(_read(f"/proc/{pid}/schedstat").split()[0]) / 1e9


def _read(path):
    try:
        with open(path, "rb") as file:
            return file.read().decode(errors="replace")
    except OSError:  # the process has ended
        return ""


def _private_bytes(pid):
    found = re.search(r"^RssAnon:\s+(\d+) kB", _read(f"/proc/{pid}/status"), re.M)
    return int(found.group(1)) * 1024 if found else 0


def _workers(leader):
    title = f"parallel worker for PID {leader}"
    return [pid for pid in os.listdir("/proc") if pid.isdigit() and title in _read(f"/proc/{pid}/cmdline")]


def _segment_bytes(pid):
    total = 0
    for path in set(re.findall(r"(/dev/shm/PostgreSQL\.\S+)", _read(f"/proc/{pid}/maps"))):
        try:
            total += os.stat(path).st_blocks * 512
        except OSError:  # already removed
            pass
    return total
