// The table of entries.
#include "annex/entry_table.h"

#include "annex/refinement.h"
#include "engine/sums.h"

namespace annex {

EntryTable::EntryTable(const Space& space, const NodeLayout& layout)
    : rows_(space, layout),
      padded_(space.padded()),
      row_bytes_(layout.row_bytes()),
      code_bytes_(layout.of_bits() ? 0 : EdgeCodeBytes(layout.code_bits())),
      origin_(padded_),
      decoded_(padded_) {}

void EntryTable::Add(NodeId node, const int8_t* codes, const RowFactors& factors) {
    nodes_.push_back(node);
    row_codes_.insert(row_codes_.end(), codes, codes + row_bytes_);
    scales_.push_back(factors.scale);
    if (code_bytes_ == 0) return;
    rows_.Decode(codes, factors, decoded_.data());
    squared_norms_.push_back(static_cast<float>(SquaredNorm(decoded_.data(), padded_)));
    edge_codes_.resize(nodes_.size() * code_bytes_);
    factors_.push_back(EncodeEdge(origin_.data(), decoded_.data(), padded_, code_bytes_ * 8,
                                  &edge_codes_[(nodes_.size() - 1) * code_bytes_]));
}

}  // namespace annex
