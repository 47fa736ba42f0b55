// Named points at which a test stops a backend, and allocations that fail on demand. Nothing of this is in the library
// that is installed: only the one that `make testing` links for the tests is compiled with ANNEX_TESTING.
//
//   annex.stop_point = 'NAME:ACTION[:COUNT]'   the COUNT-th time (default 1) that the session comes to the point:
//       error   ERROR
//       panic   PANIC: the server aborts and recovers
//       kill    the backend kills itself by SIGKILL
//       crash   every process of the server is killed by SIGKILL, the postmaster first
//               (what the session has logged is on disk then, in these three cases)
//       wait    sleeps (wait_event_type Extension) until there is a file annex_resume in the data directory, or the
//               session is cancelled or terminated, even where interrupts are held off: then with a WARNING
//   annex.stop_points                          shows the names of all points
//   annex.fail_allocation = N                  the N-th allocation from now on that our own code asks for fails with
//                                              "out of memory"; -N: that one and all after it. Shows how many are left.
//
// A point stands wherever the index is left in another state on disk: before and after each WAL record, and between the
// allocation of a page and its record.
#pragma once

#ifdef ANNEX_TESTING

namespace annex::pg {

void DefineTestSettings();
void StopPoint(const char* name);

}  // namespace annex::pg

// The names of all points lie side by side in a section of the library, for annex.stop_points. To be used in functions
// that are no templates and not inline: their copies would share the section.
#define ANNEX_STOP_POINT(name)                                                                                 \
    do {                                                                                                       \
        static const char* annex_stop_point_name __attribute__((section("annex_stop_points"), used)) = (name); \
        annex::pg::StopPoint(annex_stop_point_name);                                                           \
    } while (0)

#else

namespace annex::pg {

inline void DefineTestSettings() {}

}  // namespace annex::pg

#define ANNEX_STOP_POINT(name) static_cast<void>(0)

#endif
