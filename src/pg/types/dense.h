// What the dense types share: the limits, the checks with pgvector's messages, the text parser, the array casts.
//
// A dense type holds one value a dimension. A text "[1, 2, 3]" and an array of numbers both become floats here; a type
// with narrower elements converts them afterwards. The errors keep pgvector's texts and SQLSTATEs, since clients match
// on them.
#pragma once

#include "pg/pg.h"

extern "C" {
#include "utils/array.h"
}

namespace annex::pg {

struct DenseType {
    const char* name;
    int max_dimensions;
    // The least absolute value that the text parser rejects as out of range: what no longer rounds to a finite element.
    float out_of_range;
};

void CheckDimensions(const DenseType& type, int dimensions);
// A typmod of -1 expects nothing.
void CheckExpectedDimensions(int32 typmod, int dimensions);
// For operators: both sides alike.
void CheckSameDimensions(const DenseType& type, int a, int b);
// Whether no element is NaN or infinite.
[[nodiscard]] bool AllFinite(const float* x, int dimensions);
// Refuses NaN and infinity, naming the first of them.
void CheckElements(const DenseType& type, const float* x, int dimensions);

// Parses a literal into x, which has room for type.max_dimensions, and checks it against the typmod. Returns the
// dimensions, or 0 after an error that went into escontext.
[[nodiscard]] int ParseDense(const DenseType& type, const char* literal, int32 typmod, float* x, Node* escontext);

// The typmod of type(n), from the modifiers as PostgreSQL passes them.
[[nodiscard]] int32 DenseTypmod(const DenseType& type, ArrayType* modifiers);

// The dimensions of the value that an array becomes; checks the array's shape, the type's limit and the typmod.
[[nodiscard]] int ArrayDimensions(const DenseType& type, ArrayType* array, int32 typmod);
// Converts a checked array's elements (integer, real, double precision or numeric) to floats. They may be infinite or
// NaN afterwards.
void ArrayToFloats(ArrayType* array, float* x, int dimensions);
// A new real[] whose values are left to the caller to fill.
[[nodiscard]] ArrayType* NewFloatArray(int dimensions);

}  // namespace annex::pg
