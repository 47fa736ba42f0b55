// Starts and ends the OpenMP team.
//
// A thread inherits the signal mask of the one that creates it, so the team is created while every signal is blocked:
// a signal meant for the process is then never handled on a worker, where the host's handlers must not run. libgomp
// ends the process when it cannot create a thread; therefore as many threads are first created and joined here, where a
// refusal can be answered with a smaller team.
#include "engine/clustering/threads.h"

#include <omp.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <atomic>

#include "annex/clustering.h"

namespace annex {

namespace {

constexpr int kMaxThreads = 256;

std::atomic<int> team_size{1};

// What the team works at. Handed over by atomics rather than as variables of the parallel region, so that the thread
// sanitizer, which cannot look into libgomp, sees what orders the threads.
std::atomic<const internal::Loop*> current_loop{nullptr};
std::atomic<size_t> next_worker{0};
std::atomic<size_t> next_task{0};
std::atomic<size_t> finished_workers{0};

void TakePart() noexcept {
    const internal::Loop& loop = *current_loop.load(std::memory_order_acquire);
    const size_t worker = next_worker.fetch_add(1, std::memory_order_relaxed);
    if (worker < loop.workers)
        for (size_t task; (task = next_task.fetch_add(1, std::memory_order_relaxed)) < loop.tasks;)
            loop.run(loop.work, task, worker);
    finished_workers.fetch_add(1, std::memory_order_release);
}

// How many of `wanted` threads the system lets exist at once.
int CreatableThreads(int wanted) noexcept {
    std::array<pthread_t, kMaxThreads> threads;
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&gate);
    int created = 0;
    auto wait_at_gate = [](void* argument) -> void* {
        auto* mutex = static_cast<pthread_mutex_t*>(argument);
        pthread_mutex_lock(mutex);
        pthread_mutex_unlock(mutex);
        return nullptr;
    };
    while (created < wanted &&
           pthread_create(&threads[static_cast<size_t>(created)], nullptr, wait_at_gate, &gate) == 0)
        created++;
    pthread_mutex_unlock(&gate);
    for (int i = 0; i < created; i++) pthread_join(threads[static_cast<size_t>(i)], nullptr);
    pthread_mutex_destroy(&gate);
    return created;
}

}  // namespace

void internal::RunOnTeam(const Loop& loop) noexcept {
    next_worker.store(0, std::memory_order_relaxed);
    next_task.store(0, std::memory_order_relaxed);
    current_loop.store(&loop, std::memory_order_release);
    // Always the whole team: libgomp would end the threads that a smaller region leaves out, and start new ones later
    // under whatever signal mask holds then.
#pragma omp parallel num_threads(TeamSize())
    TakePart();
    (void)finished_workers.load(std::memory_order_acquire);
}

int TeamSize() noexcept {
    return team_size.load(std::memory_order_relaxed);
}

void StartThreads(int threads) noexcept {
    StopThreads();
    threads = std::min(threads, kMaxThreads);
    if (threads <= 1) return;

    sigset_t all;
    sigset_t previous;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &previous);
    threads = 1 + CreatableThreads(threads - 1);
    int started = 1;
    if (threads > 1) {
#pragma omp parallel num_threads(threads)
        if (omp_get_thread_num() == 0) started = omp_get_num_threads();
    }
    pthread_sigmask(SIG_SETMASK, &previous, nullptr);
    team_size.store(started, std::memory_order_relaxed);
}

void StopThreads() noexcept {
    if (TeamSize() <= 1) return;
    team_size.store(1, std::memory_order_relaxed);
    omp_pause_resource_all(omp_pause_hard);
}

}  // namespace annex
