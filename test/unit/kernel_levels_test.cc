// Which levels of the kernels there are, and which is chosen.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "annex/kernels.h"

namespace annex {
namespace {

TEST(KernelLevelsTest, TheScalarLevelComesFirstAndNamesAreUnique) {
    ASSERT_GE(KernelLevelCount(), 1U);
    EXPECT_STREQ(KernelLevel(0).name, "scalar");
    for (size_t i = 0; i < KernelLevelCount(); ++i) {
        for (size_t j = 0; j < i; ++j) EXPECT_STRNE(KernelLevel(i).name, KernelLevel(j).name);
    }
}

TEST(KernelLevelsTest, TheBestLevelIsActiveUntilAnotherIsForced) {
    const Kernels& best = KernelLevel(KernelLevelCount() - 1);
    EXPECT_EQ(&ActiveKernels(), &best);
    for (size_t i = 0; i < KernelLevelCount(); ++i) {
        EXPECT_TRUE(SetKernelLevel(KernelLevel(i).name));
        EXPECT_EQ(&ActiveKernels(), &KernelLevel(i));
    }
    EXPECT_TRUE(SetKernelLevel("scalar"));
    for (const char* name : {"", "avx", "AVX2", "avx1024"}) EXPECT_FALSE(SetKernelLevel(name)) << name;
    EXPECT_STREQ(ActiveKernels().name, "scalar");
    EXPECT_TRUE(SetKernelLevel("auto"));
    EXPECT_EQ(&ActiveKernels(), &best);
}

// The levels that this CPU should have, told from the kernel's list of its features.
#if defined(__x86_64__)
std::set<std::string> CpuFlags() {
    std::ifstream file("/proc/cpuinfo");
    for (std::string line; std::getline(file, line);) {
        if (!line.starts_with("flags")) continue;
        std::istringstream words(line.substr(line.find(':') + 1));
        return {std::istream_iterator<std::string>(words), {}};
    }
    return {};
}

TEST(KernelLevelsTest, TheCpuGetsTheLevelsThatItCanRun) {
    const std::set<std::string> flags = CpuFlags();
    ASSERT_FALSE(flags.empty());
    const auto has = [&flags](const std::vector<std::string>& wanted) {
        return std::all_of(wanted.begin(), wanted.end(), [&flags](const auto& flag) { return flags.contains(flag); });
    };
    std::vector<std::string> expected = {"scalar"};
    if (has({"ssse3", "sse4_1", "sse4_2"})) {
        expected.emplace_back("sse4");
        if (has({"avx2", "fma", "bmi1", "bmi2"})) {
            expected.emplace_back("avx2");
            if (has({"avx512f", "avx512cd", "avx512vl", "avx512dq", "avx512bw"})) {
                expected.emplace_back("avx512");
                if (has({"avx512_vpopcntdq"})) expected.emplace_back("avx512_popcnt");
            }
        }
    }
    std::vector<std::string> actual;
    for (size_t i = 0; i < KernelLevelCount(); ++i) actual.emplace_back(KernelLevel(i).name);
    EXPECT_EQ(actual, expected);
}
#elif defined(__aarch64__)
TEST(KernelLevelsTest, TheCpuGetsTheLevelsThatItCanRun) {
    ASSERT_EQ(KernelLevelCount(), 2U);
    EXPECT_STREQ(KernelLevel(1).name, "neon");
}
#endif

}  // namespace
}  // namespace annex
