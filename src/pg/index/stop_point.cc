// What stops a backend in tests; see the header. Empty in the library that is installed.
#include "pg/pg.h"

#include "pg/index/stop_point.h"

#ifdef ANNEX_TESTING

extern "C" {
#include "access/xlog.h"
#include "pgstat.h"
#include "storage/pmsignal.h"
#include "utils/wait_event.h"
}

#include <dirent.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

// The linker names both ends of the section.
extern "C" {
extern const char* __start_annex_stop_points[] __attribute__((visibility("hidden")));
extern const char* __stop_annex_stop_points[] __attribute__((visibility("hidden")));
}

namespace annex::pg {
namespace {

// ---- Stop points ----

enum class Action { kError, kPanic, kKill, kCrash, kWait };

struct Stop {
    const char* name = nullptr;  // of the section; null: none
    Action action = Action::kError;
    int left = 0;
};

Stop stop;
char* stop_setting = nullptr;
char* names_setting = nullptr;

const char* FindName(const char* name, size_t length) {
    for (const char** known = __start_annex_stop_points; known < __stop_annex_stop_points; known++)
        if (strlen(*known) == length && strncmp(*known, name, length) == 0) return *known;
    return nullptr;
}

bool ParseAction(const char* name, size_t length, Action* action) {
    static const char* const names[] = {"error", "panic", "kill", "crash", "wait"};
    for (size_t i = 0; i < lengthof(names); i++) {
        if (strlen(names[i]) != length || strncmp(names[i], name, length) != 0) continue;
        *action = static_cast<Action>(i);
        return true;
    }
    return false;
}

bool Parse(const char* setting, Stop* parsed) {
    *parsed = Stop{};
    if (setting == nullptr || setting[0] == '\0') return true;
    const char* colon = strchr(setting, ':');
    if (colon == nullptr) return false;
    const char* action = colon + 1;
    parsed->name = FindName(setting, static_cast<size_t>(colon - setting));
    const size_t length = strcspn(action, ":");
    parsed->left = action[length] == ':' ? atoi(action + length + 1) : 1;
    return parsed->name != nullptr && ParseAction(action, length, &parsed->action) && parsed->left > 0;
}

extern "C" {

static bool CheckStop(char** value, void**, GucSource) noexcept {
    Stop parsed;
    if (Parse(*value, &parsed)) return true;
    GUC_check_errdetail("It must be NAME:ACTION[:COUNT] with a name of annex.stop_points.");
    return false;
}

static void AssignStop(const char* value, void*) noexcept {
    Parse(value, &stop);
}

static const char* ShowNames() noexcept {
    static char shown[8192];
    shown[0] = '\0';
    for (const char** name = __start_annex_stop_points; name < __stop_annex_stop_points; name++) {
        if (shown[0] != '\0') strlcat(shown, " ", sizeof shown);
        strlcat(shown, *name, sizeof shown);
    }
    return shown;
}

}  // extern "C"

bool WorkingDirectory(const char* pid, char* path, size_t size) {
    char link[64];
    snprintf(link, sizeof link, "/proc/%s/cwd", pid);
    const ssize_t length = readlink(link, path, size - 1);
    if (length > 0) path[length] = '\0';
    return length > 0;
}

// The postmaster first, which so learns of no death, then all that work in its directory.
void KillServer() {
    char ours[MAXPGPATH];
    char theirs[MAXPGPATH];
    kill(PostmasterPid, SIGKILL);
    DIR* processes = opendir("/proc");
    while (const dirent* entry = processes == nullptr ? nullptr : readdir(processes)) {
        const pid_t pid = atoi(entry->d_name);
        if (pid > 0 && pid != MyProcPid && WorkingDirectory(entry->d_name, theirs, sizeof theirs) &&
            WorkingDirectory("self", ours, sizeof ours) && strcmp(ours, theirs) == 0)
            kill(pid, SIGKILL);
    }
    raise(SIGKILL);
}

void WaitForInterrupt(const char* name) {
    pgstat_report_wait_start(PG_WAIT_EXTENSION);
    // its name is relative to the data directory
    while (!QueryCancelPending && !ProcDiePending && access("annex_resume", F_OK) != 0) {
        pg_usleep(1000);
        if (!PostmasterIsAlive()) _exit(1);
    }
    pgstat_report_wait_end();
    CHECK_FOR_INTERRUPTS();
    if (QueryCancelPending || ProcDiePending) ereport(WARNING, (errmsg("interrupts are held off at \"%s\"", name)));
}

// ---- Allocations ----

int fail_setting = 0;
std::atomic<int> allocations_left = 0;  // 0: none is to fail
bool fails_on = false;                  // once it has come to that, all fail

extern "C" {

static void AssignFail(int value, void*) noexcept {
    fails_on = value < 0;
    allocations_left = value < 0 ? -value : value;
}

static const char* ShowFail() noexcept {
    static char shown[16];
    snprintf(shown, sizeof shown, "%d", allocations_left.load());
    return shown;
}

}  // extern "C"

bool AllocationFails() {
    int left = allocations_left.load();
    do {
        if (left == 0) return false;
        if (left == 1 && fails_on) return true;
    } while (!allocations_left.compare_exchange_weak(left, left - 1));
    return left == 1;
}

void CheckAllocation() {
    if (AllocationFails())
        ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"), errdetail("A test asked for it.")));
}

}  // namespace

void StopPoint(const char* name) {
    if (stop.name == nullptr || strcmp(name, stop.name) != 0 || --stop.left > 0) return;
    stop.name = nullptr;
    // What this backend has logged so far is what recovery finds.
    if (stop.action != Action::kError && stop.action != Action::kWait) XLogFlush(XactLastRecEnd);
    switch (stop.action) {
        case Action::kError:
            ereport(ERROR, (errmsg("stopped at \"%s\"", name)));
            break;
        case Action::kPanic:
            ereport(PANIC, (errmsg("stopped at \"%s\"", name)));
            break;
        case Action::kKill:
            raise(SIGKILL);
            break;
        case Action::kCrash:
            KillServer();
            break;
        case Action::kWait:
            WaitForInterrupt(name);
            break;
    }
}

void DefineTestSettings() {
    DefineCustomStringVariable("annex.stop_point", "Stops the session at a named point, for tests.", nullptr,
                               &stop_setting, "", PGC_USERSET, GUC_NOT_IN_SAMPLE, CheckStop, AssignStop, nullptr);
    DefineCustomStringVariable("annex.stop_points", "Shows the points at which a session can be stopped.", nullptr,
                               &names_setting, "", PGC_INTERNAL, GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE, nullptr,
                               nullptr, ShowNames);
    DefineCustomIntVariable("annex.fail_allocation", "Lets an allocation fail, for tests.", nullptr, &fail_setting, 0,
                            -INT_MAX, INT_MAX, PGC_USERSET, GUC_NOT_IN_SAMPLE, nullptr, AssignFail, ShowFail);
}

}  // namespace annex::pg

// ---- What the linker puts in the place of the allocating functions (--wrap) ----

// NOLINTBEGIN
#define ANNEX_WRAP_NEW(symbol, parameters, arguments)             \
    extern "C" void* __real_##symbol parameters;                  \
    extern "C" void* __wrap_##symbol parameters {                 \
        if (annex::pg::AllocationFails()) throw std::bad_alloc(); \
        return __real_##symbol arguments;                         \
    }
ANNEX_WRAP_NEW(_Znwm, (size_t size), (size))
ANNEX_WRAP_NEW(_Znam, (size_t size), (size))
ANNEX_WRAP_NEW(_ZnwmSt11align_val_t, (size_t size, std::align_val_t alignment), (size, alignment))
ANNEX_WRAP_NEW(_ZnamSt11align_val_t, (size_t size, std::align_val_t alignment), (size, alignment))

#define ANNEX_WRAP_MALLOC(symbol, parameters, arguments)                           \
    extern "C" void* __real_##symbol parameters;                                   \
    extern "C" void* __wrap_##symbol parameters {                                  \
        return annex::pg::AllocationFails() ? nullptr : __real_##symbol arguments; \
    }
ANNEX_WRAP_MALLOC(malloc, (size_t size), (size))
ANNEX_WRAP_MALLOC(calloc, (size_t count, size_t size), (count, size))
ANNEX_WRAP_MALLOC(realloc, (void* old, size_t size), (old, size))
ANNEX_WRAP_MALLOC(aligned_alloc, (size_t alignment, size_t size), (alignment, size))

#define ANNEX_WRAP_POSTGRES(type, symbol, parameters, arguments) \
    extern "C" type __real_##symbol parameters;                  \
    extern "C" type __wrap_##symbol parameters {                 \
        annex::pg::CheckAllocation();                            \
        return __real_##symbol arguments;                        \
    }
ANNEX_WRAP_POSTGRES(void*, palloc, (Size size), (size))
ANNEX_WRAP_POSTGRES(void*, palloc0, (Size size), (size))
ANNEX_WRAP_POSTGRES(void*, palloc_extended, (Size size, int flags), (size, flags))
ANNEX_WRAP_POSTGRES(void*, repalloc, (void* old, Size size), (old, size))
ANNEX_WRAP_POSTGRES(void*, repalloc_huge, (void* old, Size size), (old, size))
ANNEX_WRAP_POSTGRES(void*, MemoryContextAlloc, (MemoryContext context, Size size), (context, size))
ANNEX_WRAP_POSTGRES(void*, MemoryContextAllocZero, (MemoryContext context, Size size), (context, size))
ANNEX_WRAP_POSTGRES(void*, MemoryContextAllocExtended, (MemoryContext context, Size size, int flags),
                    (context, size, flags))
ANNEX_WRAP_POSTGRES(MemoryContext, AllocSetContextCreateInternal,
                    (MemoryContext parent, const char* name, Size least, Size first, Size most),
                    (parent, name, least, first, most))
ANNEX_WRAP_POSTGRES(GenericXLogState*, GenericXLogStart, (Relation relation), (relation))
// NOLINTEND

#endif
