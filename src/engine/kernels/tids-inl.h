// A part of simd.cc: the kernel that asks for 32 heap TIDs at a time whether their pages may be those of a set.

// Included once for each level, as Highway's own headers are.
#if defined(ANNEX_KERNELS_TIDS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef ANNEX_KERNELS_TIDS_INL_H
#undef ANNEX_KERNELS_TIDS_INL_H
#else
#define ANNEX_KERNELS_TIDS_INL_H
#endif

#include <cstring>

#include "engine/kernels/levels.h"
#include "hwy/highway.h"

#if HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128

HWY_BEFORE_NAMESPACE();
namespace annex::internal {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

template <class Tag, class Mask>
HWY_INLINE uint32_t MaskWord(Tag tag, Mask mask) {
    uint8_t bits[8] = {};
    hn::StoreMaskBits(tag, mask, bits);
    uint32_t word;
    std::memcpy(&word, bits, sizeof word);
    return word;
}

// Of so many blocks as a vector has lanes, those whose bit is set.
template <class Tag, class Halves>
HWY_INLINE uint32_t TestPages(Tag words, Halves high, Halves low, const uint32_t* pages, uint32_t mask) {
    const auto block = hn::Or(hn::ShiftLeft<16>(hn::PromoteTo(words, high)), hn::PromoteTo(words, low));
    const auto index = hn::And(hn::ShiftRight<5>(block), hn::Set(words, mask));
    const auto found = hn::GatherIndex(words, pages, hn::BitCast(hn::RebindToSigned<Tag>(), index));
    const auto bit = hn::Shl(hn::Set(words, 1U), hn::And(block, hn::Set(words, 31U)));
    return MaskWord(words, hn::TestBit(found, bit));
}

uint32_t TidPages(const uint16_t* tids, const uint32_t* pages, uint32_t mask) {
    const hn::CappedTag<uint16_t, kBlockSize> halves;
    const hn::Half<decltype(halves)> half;
    const hn::Rebind<uint32_t, decltype(half)> words;
    constexpr size_t kHalves = HWY_MIN(HWY_LANES(uint16_t), kBlockSize);
    uint32_t passed = 0;
    for (size_t v = 0; v < kBlockSize; v += kHalves) {
        hn::Vec<decltype(halves)> high;
        hn::Vec<decltype(halves)> low;
        hn::Vec<decltype(halves)> offset;
        hn::LoadInterleaved3(halves, tids + 3 * v, high, low, offset);
        const uint32_t lower = TestPages(words, hn::LowerHalf(half, high), hn::LowerHalf(half, low), pages, mask);
        const uint32_t upper = TestPages(words, hn::UpperHalf(half, high), hn::UpperHalf(half, low), pages, mask);
        const uint32_t none = MaskWord(halves, hn::Eq(offset, hn::Zero(halves)));
        passed |= ((lower | upper << (kHalves / 2)) & ~none) << v;
    }
    return passed;
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace annex::internal
HWY_AFTER_NAMESPACE();

#endif  // a target with vectors

#endif
