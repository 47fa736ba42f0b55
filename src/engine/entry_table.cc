// The table of entries.
#include "annex/entry_table.h"

#include "annex/refinement.h"
#include "engine/sums.h"

namespace annex {

EntryTable::EntryTable(const Space& space, size_t code_bits)
    : space_(&space),
      padded_(space.padded()),
      code_bytes_(EdgeCodeBytes(code_bits)),
      origin_(padded_),
      decoded_(padded_) {}

void EntryTable::Add(NodeId node, const int8_t* codes, float scale) {
    DecodeRow(*space_, codes, scale, decoded_.data());
    nodes_.push_back(node);
    rows_.insert(rows_.end(), codes, codes + padded_);
    scales_.push_back(scale);
    squared_norms_.push_back(static_cast<float>(SquaredNorm(decoded_.data(), padded_)));
    edge_codes_.resize(nodes_.size() * code_bytes_);
    factors_.push_back(EncodeEdge(origin_.data(), decoded_.data(), padded_, code_bytes_ * 8,
                                  &edge_codes_[(nodes_.size() - 1) * code_bytes_]));
}

}  // namespace annex
