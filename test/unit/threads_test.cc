// The team of threads: when it exists, and that no signal reaches it.
#include <dirent.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <vector>

#include "annex/clustering.h"
#include "clustering_data.h"
#include "engine/clustering/threads.h"

namespace annex {
namespace {

std::vector<std::string> Tasks() {
    std::vector<std::string> tasks;
    DIR* directory = opendir("/proc/self/task");
    while (const dirent* entry = readdir(directory))
        if (entry->d_name[0] != '.') tasks.emplace_back(entry->d_name);
    closedir(directory);
    return tasks;
}

uint64_t BlockedSignals(const std::string& task) {
    std::ifstream status("/proc/self/task/" + task + "/status");
    for (std::string line; std::getline(status, line);)
        if (line.starts_with("SigBlk:")) return std::stoull(line.substr(7), nullptr, 16);
    return 0;
}

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ANNEX_THREAD_SANITIZER
#endif
#elif defined(__SANITIZE_THREAD__)
#define ANNEX_THREAD_SANITIZER
#endif
#if defined(ANNEX_THREAD_SANITIZER)
#define SKIP_WHERE_A_SANITIZER_HAS_THREADS() GTEST_SKIP() << "the sanitizer has a thread of its own"
#else
#define SKIP_WHERE_A_SANITIZER_HAS_THREADS() (void)0
#endif

TEST(Threads, NoneIsStartedUntilAskedFor) {
    SKIP_WHERE_A_SANITIZER_HAS_THREADS();
    EXPECT_EQ(Tasks().size(), 1U);
    const Vectors rows = RandomVectors(2000, 64, 1);
    const Sample sample = SampleOf(rows);
    KMeans kmeans(sample, {.lists = 20, .iterations = 2, .seed = 1, .threads = 4});
    while (kmeans.Step()) EXPECT_EQ(Tasks().size(), 1U);
    StartThreads(1);
    EXPECT_EQ(Tasks().size(), 1U);
    StopThreads();
}

TEST(Threads, TheTeamBlocksEverySignalAndEnds) {
    SKIP_WHERE_A_SANITIZER_HAS_THREADS();
    sigset_t before;
    pthread_sigmask(SIG_SETMASK, nullptr, &before);
    StartThreads(3);
    EXPECT_EQ(TeamSize(), 3);
    EXPECT_EQ(Tasks().size(), 3U);
    const std::string self = std::to_string(getpid());
    // All but SIGKILL, SIGSTOP and the two that the C library keeps for itself.
    for (const std::string& task : Tasks()) {
        if (task != self) {
            EXPECT_EQ(BlockedSignals(task) | 0x180040100ULL, ~uint64_t{0});
        }
    }
    sigset_t after;
    pthread_sigmask(SIG_SETMASK, nullptr, &after);
    for (int signal = 1; signal < 32; signal++)
        EXPECT_EQ(sigismember(&before, signal), sigismember(&after, signal)) << signal;
    StopThreads();
    EXPECT_EQ(TeamSize(), 1);
    EXPECT_EQ(Tasks().size(), 1U);
}

TEST(Threads, WorkKeepsTheTeamAsItIs) {
    SKIP_WHERE_A_SANITIZER_HAS_THREADS();
    StartThreads(4);
    const std::vector<std::string> team = Tasks();
    // Fewer threads, more threads and fewer tasks than the team has.
    for (const int threads : {2, 1, 9, 3}) {
        std::vector<int> done(100);
        std::vector<size_t> workers(100);
        ParallelFor(threads, 100, [&](size_t task, size_t worker) {
            done[task]++;
            workers[task] = worker;
        });
        for (size_t task = 0; task < 100; task++) {
            EXPECT_EQ(done[task], 1);
            EXPECT_LT(workers[task], static_cast<size_t>(threads));
        }
        ParallelFor(threads, 2, [](size_t, size_t) {});
    }
    EXPECT_EQ(Tasks(), team);
    StopThreads();
}

TEST(Threads, ATeamThatTheSystemRefusesIsSmaller) {
    StartThreads(100000);
    EXPECT_GE(TeamSize(), 1);
    EXPECT_LE(TeamSize(), 256);
    StopThreads();
}

// Threads that sleep may come late to a loop, or when it is over.
TEST(Threads, EachOfManyShortLoopsDoesItsTasksOnce) {
    StartThreads(3);
    std::vector<int> done(7);
    for (size_t round = 0; round < 20000; round++)
        ParallelFor(3, 1 + round % 7, [&](size_t task, size_t) { done[task]++; });
    StopThreads();
    for (size_t task = 0; task < 7; task++) {
        int expected = 0;
        for (size_t round = 0; round < 20000; round++) expected += round % 7 >= task ? 1 : 0;
        EXPECT_EQ(done[task], expected);
    }
}

TEST(Threads, StoppingTwiceIsHarmless) {
    StartThreads(2);
    StopThreads();
    StopThreads();
    StartThreads(2);
    EXPECT_EQ(TeamSize(), 2);
    StopThreads();
}

}  // namespace
}  // namespace annex
