// Chooses the kernel table: once, by the CPU's features, when it is first asked for.
//
// All tables are constants, and the levels are a pure function of the CPU: whoever comes first computes them, and two
// who come together store the same pointer. So one relaxed atomic suffices, and nothing runs when the library is
// loaded.
#include <atomic>

#include "engine/kernels/levels.h"

namespace annex {
namespace {

struct Levels {
    const Kernels* tables[1 + internal::kMaxVectorLevels];
    size_t count;
};

Levels FindLevels() noexcept {
    Levels levels{};
    levels.tables[0] = &internal::kScalarKernels;
    levels.count = 1 + internal::VectorLevels(levels.tables + 1);
    return levels;
}

}  // namespace

namespace internal {

constinit std::atomic<const Kernels*> active_kernels{nullptr};

const Kernels& ChooseKernels() noexcept {
    const Levels levels = FindLevels();
    const Kernels* kernels = levels.tables[levels.count - 1];
    // A level forced in between wins.
    const Kernels* expected = nullptr;
    if (!active_kernels.compare_exchange_strong(expected, kernels, std::memory_order_relaxed)) kernels = expected;
    return *kernels;
}

}  // namespace internal

using internal::active_kernels;

size_t KernelLevelCount() noexcept {
    return FindLevels().count;
}

const Kernels& KernelLevel(size_t i) noexcept {
    return *FindLevels().tables[i];
}

bool SetKernelLevel(std::string_view name) noexcept {
    const Levels levels = FindLevels();
    if (name == "auto") {
        active_kernels.store(levels.tables[levels.count - 1], std::memory_order_relaxed);
        return true;
    }
    for (size_t i = 0; i < levels.count; ++i) {
        if (name == levels.tables[i]->name) {
            active_kernels.store(levels.tables[i], std::memory_order_relaxed);
            return true;
        }
    }
    return false;
}

}  // namespace annex
