// Products of one row's 8-bit codes with those of other rows, wherever these lie. Exact on every level.
#pragma once

#include <cstddef>
#include <cstdint>

namespace annex::internal {

// out[j] = <row, points[j]>. `sum` is that of the row's codes; padded is a multiple of 64.
using CodeDots = void (*)(const int8_t* row, int32_t sum, const int8_t* const* points, size_t n, size_t padded,
                          int32_t* out);

// That of the level in use (code_product.cc).
[[nodiscard]] CodeDots ActiveCodeDots() noexcept;

}  // namespace annex::internal
