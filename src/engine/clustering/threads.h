// The team of threads behind training and assignment.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>

namespace annex {

// Threads of the running team, the caller's among them; 1 when none was started.
[[nodiscard]] int TeamSize() noexcept;

// Calls work(task, worker) for every task in [0, tasks), on at most `threads` threads of the team; worker < threads
// names the thread, for scratch memory. Tasks are taken in any order, so their results must not depend on it. An
// exception must not leave a parallel region, hence noexcept: what throws ends the process.
template <typename Work>
void ParallelFor(int threads, size_t tasks, const Work& work) noexcept {
    const int team = TeamSize();
    if (threads <= 1 || team <= 1 || tasks <= 1) {
        for (size_t task = 0; task < tasks; task++) work(task, size_t{0});
        return;
    }
    // Always the whole team: libgomp would end the threads that a smaller region leaves out, and start new ones later
    // under whatever signal mask holds then.
    std::atomic<size_t> next_worker{0};
    std::atomic<size_t> next_task{0};
#pragma omp parallel num_threads(team)
    {
        const size_t worker = next_worker.fetch_add(1, std::memory_order_relaxed);
        if (worker < static_cast<size_t>(threads))
            for (size_t task; (task = next_task.fetch_add(1, std::memory_order_relaxed)) < tasks;) work(task, worker);
    }
}

}  // namespace annex
