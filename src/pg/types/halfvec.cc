// What of the dense types is particular to halfvec: the range of its elements.
#include "pg/types/halfvec.h"

#include "pg/types/dense_floats.h"

extern "C" {
#include "common/shortest_dec.h"
}

namespace annex::pg {

bool AllFinite(const uint16* halfs, int n) {
    // Without a branch, so that it vectorises.
    uint16 special = 0;
    for (int i = 0; i < n; i++) special = static_cast<uint16>(special | (HalfIsFinite(halfs[i]) ? 0 : 1));
    return special == 0;
}

void CheckElements(const DenseType& type, const uint16* halfs, int n) {
    if (likely(AllFinite(halfs, n))) return;
    for (int i = 0; i < n; i++) {
        const float element = HalfToFloat(halfs[i]);
        CheckElements(type, &element, 1);
    }
}

void StoreInRange(const DenseType& type, const float* floats, uint16* halfs, int n) {
    StoreFloats(floats, halfs, n);
    if (likely(AllFinite(halfs, n))) return;
    for (int i = 0; i < n; i++) {
        if (!HalfIsInfinite(halfs[i]) || !AllFinite(&floats[i], 1)) continue;
        char text[FLOAT_SHORTEST_DECIMAL_LEN];
        float_to_shortest_decimal_buf(floats[i], text);
        ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
                        errmsg("\"%s\" is out of range for type %s", text, type.name)));
    }
}

}  // namespace annex::pg
