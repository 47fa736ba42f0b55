// Nanoseconds a call of every kernel on every level that the CPU has, at the sizes of common vectors. All data lies in
// the first-level cache. Compare ratios within one run.
#include <benchmark/benchmark.h>

#include <cmath>
#include <string>
#include <vector>

#include "annex/kernels.h"
#include "annex/random.h"
#include "annex/rotation.h"

namespace annex {
namespace {

std::vector<float> RandomFloats(size_t n) {
    Random random(1);
    std::vector<float> values(n);
    for (float& value : values) value = static_cast<float>(2 * random.Uniform() - 1);
    return values;
}

template <class T>
std::vector<T> RandomIntegers(size_t n) {
    Random random(2);
    std::vector<T> values(n);
    for (T& value : values) value = static_cast<T>(random.Next());
    return values;
}

using PairKernel = float (*)(const float*, const float*, size_t);

// The second vector is unaligned, as one in a heap tuple is.
void BenchPair(benchmark::State& state, PairKernel kernel, size_t n) {
    const std::vector<float> a = RandomFloats(n);
    const std::vector<float> b = RandomFloats(n + 1);
    for (auto _ : state) benchmark::DoNotOptimize(kernel(a.data(), b.data() + 1, n));
}

void BenchCosine(benchmark::State& state, const Kernels* kernels, size_t n) {
    const std::vector<float> a = RandomFloats(n);
    const std::vector<float> b = RandomFloats(n + 1);
    for (auto _ : state) benchmark::DoNotOptimize(kernels->cosine(a.data(), b.data() + 1, n));
}

void BenchHamming(benchmark::State& state, const Kernels* kernels, size_t n) {
    const std::vector<uint8_t> a = RandomIntegers<uint8_t>(n);
    const std::vector<uint8_t> b = RandomIntegers<uint8_t>(n + 1);
    for (auto _ : state) benchmark::DoNotOptimize(kernels->hamming(a.data(), b.data() + 1, n));
}

void BenchJaccard(benchmark::State& state, const Kernels* kernels, size_t n) {
    const std::vector<uint8_t> a = RandomIntegers<uint8_t>(n);
    const std::vector<uint8_t> b = RandomIntegers<uint8_t>(n + 1);
    for (auto _ : state) benchmark::DoNotOptimize(kernels->jaccard(a.data(), b.data() + 1, n));
}

void BenchRowL2(benchmark::State& state, const Kernels* kernels, size_t n) {
    const std::vector<float> query = RandomFloats(n);
    const std::vector<int8_t> codes = RandomIntegers<int8_t>(n);
    for (auto _ : state) benchmark::DoNotOptimize(kernels->row_l2_squared(query.data(), codes.data(), 0.01F, n));
}

void BenchRowInnerProduct(benchmark::State& state, const Kernels* kernels, size_t n) {
    const std::vector<float> query = RandomFloats(n);
    const std::vector<int8_t> codes = RandomIntegers<int8_t>(n);
    for (auto _ : state) benchmark::DoNotOptimize(kernels->row_inner_product(query.data(), codes.data(), n));
}

// Two blocks of 32 vectors by turns, as in a list.
void BenchAccumulate(benchmark::State& state, const Kernels* kernels, size_t rows) {
    const std::vector<uint8_t> codes = RandomIntegers<uint8_t>(2 * 32 * rows);
    const std::vector<uint8_t> table = RandomIntegers<uint8_t>(32 * rows);
    uint32_t sums[kBlockSize] = {};
    size_t block = 0;
    for (auto _ : state) {
        kernels->sketch_accumulate(codes.data() + block * 32 * rows, rows, table.data(), sums);
        benchmark::ClobberMemory();
        block = 1 - block;
    }
}

void BenchBounds(benchmark::State& state, const Kernels* kernels) {
    const std::vector<uint32_t> sums(kBlockSize, 12345);
    const std::vector<uint16_t> factors(kBlockSize, FloatToBf16Nearest(1.25F));
    const BoundTerms terms{.base = 1, .add_scale = 1, .sum_scale = 0.01F, .sum_offset = -3, .error_scale = 1.9F};
    float bounds[kBlockSize];
    for (auto _ : state) {
        benchmark::DoNotOptimize(
            kernels->sketch_bounds(sums.data(), factors.data(), factors.data(), factors.data(), terms, 0, bounds));
        benchmark::ClobberMemory();
    }
}

// The scaling keeps the norm.
void BenchHadamard(benchmark::State& state, const Kernels* kernels, size_t n) {
    std::vector<float> x = RandomFloats(n);
    for (auto _ : state) {
        kernels->hadamard(x.data(), n);
        kernels->scale(x.data(), 1.0F / std::sqrt(static_cast<float>(n)), n);
        benchmark::ClobberMemory();
    }
}

void BenchRotation(benchmark::State& state, const Kernels* kernels, size_t dimensions) {
    const Rotation rotation(dimensions, 1);
    std::vector<float> x = RandomFloats(rotation.padded());
    SetKernelLevel(kernels->name);
    for (auto _ : state) {
        rotation.Apply(x.data());
        benchmark::ClobberMemory();
    }
    SetKernelLevel("auto");
}

bool RegisterAll() {
    for (size_t level = 0; level < KernelLevelCount(); ++level) {
        const Kernels* kernels = &KernelLevel(level);
        const auto name = [kernels](const std::string& kernel, size_t n) {
            return kernel + "/" + std::to_string(n) + "/" + kernels->name;
        };
        for (const size_t n : {3, 128, 384, 1536}) {
            benchmark::RegisterBenchmark(name("l2_squared", n).c_str(), BenchPair, kernels->l2_squared, n);
            benchmark::RegisterBenchmark(name("inner_product", n).c_str(), BenchPair, kernels->inner_product, n);
            benchmark::RegisterBenchmark(name("l1", n).c_str(), BenchPair, kernels->l1, n);
            benchmark::RegisterBenchmark(name("cosine", n).c_str(), BenchCosine, kernels, n);
        }
        for (const size_t n : {48, 128, 192}) {
            benchmark::RegisterBenchmark(name("hamming", n).c_str(), BenchHamming, kernels, n);
            benchmark::RegisterBenchmark(name("jaccard", n).c_str(), BenchJaccard, kernels, n);
        }
        for (const size_t n : {128, 384, 1536}) {
            benchmark::RegisterBenchmark(name("row_l2_squared", n).c_str(), BenchRowL2, kernels, n);
            benchmark::RegisterBenchmark(name("row_inner_product", n).c_str(), BenchRowInnerProduct, kernels, n);
        }
        for (const size_t rows : {16, 17, 48, 128, 192}) {
            benchmark::RegisterBenchmark(name("sketch_accumulate", rows).c_str(), BenchAccumulate, kernels, rows);
        }
        benchmark::RegisterBenchmark(name("sketch_bounds", kBlockSize).c_str(), BenchBounds, kernels);
        for (const size_t n : {64, 256, 1024, 8192}) {
            benchmark::RegisterBenchmark(name("hadamard_and_scale", n).c_str(), BenchHadamard, kernels, n);
        }
        for (const size_t n : {128, 384, 768, 1024, 1536, 16000}) {
            benchmark::RegisterBenchmark(name("rotation", n).c_str(), BenchRotation, kernels, n);
        }
    }
    return true;
}

const bool registered = RegisterAll();

}  // namespace
}  // namespace annex
