// The mean of rows, around which an index's space is centred (annex/space.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "annex/space.h"

namespace annex {

// Of directions for cosine. Rows beyond the range of an index are left out.
class MeanOfRows {
  public:
    MeanOfRows(Metric metric, size_t dimensions) : metric_(metric), sum_(dimensions) {}

    void Add(const float* x) noexcept;
    // The origin if there were no rows, or none of any use.
    [[nodiscard]] std::vector<float> Finish() const;

  private:
    Metric metric_;
    std::vector<double> sum_;
    uint64_t rows_ = 0;
};

}  // namespace annex
