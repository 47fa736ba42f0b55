// The team of threads behind training and assignment.
#pragma once

#include <cstddef>

namespace annex {

// Threads of the running team, the caller's among them; 1 when none was started.
[[nodiscard]] int TeamSize() noexcept;

namespace internal {

// A loop over tasks whose order does not matter.
struct Loop {
    void (*run)(const void* work, size_t task, size_t worker);
    const void* work;
    size_t tasks;
    size_t workers;  // at most so many threads take part
};

// Runs the loop on the team. One loop at a time.
void RunOnTeam(const Loop& loop) noexcept;

}  // namespace internal

// Calls work(task, worker) for every task in [0, tasks), on at most `threads` threads of the team; worker < threads
// names the thread, for scratch memory. Each thread takes its tasks in ascending order, but which ones is a matter of
// chance: results must not depend on it. An exception must not leave a parallel region, hence noexcept: what throws
// ends the process.
template <typename Work>
void ParallelFor(int threads, size_t tasks, const Work& work) noexcept {
    if (threads <= 1 || tasks <= 1 || TeamSize() <= 1) {
        for (size_t task = 0; task < tasks; task++) work(task, size_t{0});
        return;
    }
    internal::RunOnTeam({.run = [](const void* context, size_t task,
                                   size_t worker) { (*static_cast<const Work*>(context))(task, worker); },
                         .work = &work,
                         .tasks = tasks,
                         .workers = static_cast<size_t>(threads)});
}

}  // namespace annex
