// The team of threads: started once, asleep between loops, ended by name.
//
// A thread inherits the signal mask of the one that creates it, so the team is created while every signal is blocked: a
// signal meant for the process is then never handled on a worker, where the host's handlers must not run.
//
// Whoever waits, sleeps. OpenMP's teams spin at the end of each loop, which on a busy machine takes the processor from
// the very threads that they wait for: builds then needed two to three times the processor time. And a loop does not
// wait for a thread that has not woken up before its tasks were done.
#include "engine/clustering/threads.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>

#include "annex/clustering.h"

namespace annex {

namespace {

constexpr int kMaxThreads = 256;

std::atomic<int> team_size{1};
std::atomic<size_t> next_task{0};

struct Team {
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;  // of all that follows
    pthread_cond_t wake = PTHREAD_COND_INITIALIZER;     // there is a loop, or the team ends
    pthread_cond_t left = PTHREAD_COND_INITIALIZER;     // the last one has left the loop
    const internal::Loop* loop = nullptr;               // that threads may still enter
    uint64_t loops = 0;                                 // so far
    size_t next_worker = 0;
    size_t inside = 0;  // threads that are in the loop, but for the caller's
    bool ending = false;
    std::array<pthread_t, kMaxThreads> threads{};
};

constinit Team team;

void TakePart(const internal::Loop& loop, size_t worker) noexcept {
    for (size_t task; (task = next_task.fetch_add(1, std::memory_order_relaxed)) < loop.tasks;)
        loop.run(loop.work, task, worker);
}

void* WorkInTeam(void*) noexcept {
    uint64_t seen = 0;  // loops
    pthread_mutex_lock(&team.mutex);
    while (true) {
        while (!team.ending && (team.loop == nullptr || team.loops == seen)) pthread_cond_wait(&team.wake, &team.mutex);
        if (team.ending) break;
        seen = team.loops;
        const internal::Loop& loop = *team.loop;
        if (team.next_worker >= loop.workers) continue;
        const size_t worker = team.next_worker++;
        team.inside++;
        pthread_mutex_unlock(&team.mutex);
        TakePart(loop, worker);
        pthread_mutex_lock(&team.mutex);
        if (--team.inside == 0) pthread_cond_signal(&team.left);
    }
    pthread_mutex_unlock(&team.mutex);
    return nullptr;
}

}  // namespace

void internal::RunOnTeam(const Loop& loop) noexcept {
    next_task.store(0, std::memory_order_relaxed);
    pthread_mutex_lock(&team.mutex);
    team.loop = &loop;
    team.loops++;
    team.next_worker = 1;
    pthread_cond_broadcast(&team.wake);
    pthread_mutex_unlock(&team.mutex);

    TakePart(loop, 0);

    pthread_mutex_lock(&team.mutex);
    team.loop = nullptr;
    while (team.inside > 0) pthread_cond_wait(&team.left, &team.mutex);
    pthread_mutex_unlock(&team.mutex);
}

int TeamSize() noexcept {
    return team_size.load(std::memory_order_relaxed);
}

void StartThreads(int threads) noexcept {
    StopThreads();
    threads = std::min(threads, kMaxThreads);
    sigset_t all;
    sigset_t previous;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &previous);
    int size = 1;
    while (size < threads &&
           pthread_create(&team.threads[static_cast<size_t>(size)], nullptr, WorkInTeam, nullptr) == 0)
        size++;
    pthread_sigmask(SIG_SETMASK, &previous, nullptr);
    team_size.store(size, std::memory_order_relaxed);
}

void StopThreads() noexcept {
    const int size = TeamSize();
    if (size <= 1) return;
    team_size.store(1, std::memory_order_relaxed);
    pthread_mutex_lock(&team.mutex);
    team.ending = true;
    pthread_cond_broadcast(&team.wake);
    pthread_mutex_unlock(&team.mutex);
    for (int i = 1; i < size; i++) pthread_join(team.threads[static_cast<size_t>(i)], nullptr);
    team.ending = false;
}

}  // namespace annex
