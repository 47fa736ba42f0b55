// Options of CREATE INDEX ... USING ivf, and the settings ivf.*.
#include "pg/ivf/cache.h"
#include "pg/ivf/ivf.h"

extern "C" {
#include "access/reloptions.h"
}

namespace annex::pg::ivf {

int probes_setting = 0;
double epsilon_setting = 0;
int ordering_setting = kOrderRelaxed;
int order_setting = kOrderRelaxed;

static relopt_kind relopt_kind_ivf;

static relopt_enum_elt_def spill_values[] = {{"auto", kSpillAuto}, {"off", kSpillOff}, {"on", kSpillOn}, {nullptr, 0}};

static const config_enum_entry order_values[] = {
    {"relaxed", kOrderRelaxed, false}, {"strict", kOrderStrict, false}, {nullptr, 0, false}};

void DefineOptionsAndSettings() {
    relopt_kind_ivf = add_reloption_kind();
    add_int_reloption(relopt_kind_ivf, "lists", "Number of inverted lists; 0 chooses it from the table's rows", 0, 0,
                      kMaxLists, AccessExclusiveLock);
    add_enum_reloption(relopt_kind_ivf, "spill", "Whether every row gets a second copy of its sketch in another list",
                       spill_values, kSpillAuto, "Valid values are \"auto\", \"off\" and \"on\".", AccessExclusiveLock);

    DefineCustomIntVariable("ivf.probes", "Sets the number of lists that a scan probes at first.",
                            "0 chooses it. A scan goes on to further lists when more rows are asked for.",
                            &probes_setting, 0, 0, kMaxLists, PGC_USERSET, 0, nullptr, nullptr, nullptr);
    DefineCustomRealVariable("ivf.epsilon", "Sets the multiple of a sketch's error that its bound allows for.",
                             "More costs time and misses fewer rows. 0 chooses it.", &epsilon_setting, 0, 0, 100,
                             PGC_USERSET, 0, nullptr, nullptr, nullptr);
    DefineCustomEnumVariable("ivf.ordering", "Sets what happens to rows that a later round of a scan finds too late.",
                             "\"relaxed\" returns them out of order, \"strict\" leaves them out.", &ordering_setting,
                             kOrderRelaxed, order_values, PGC_USERSET, 0, nullptr, nullptr, nullptr);
    // ORDER is a reserved word, so that SET needs quotes for this name; a configuration file and set_config do not.
    DefineCustomEnumVariable("ivf.order", "Another name of ivf.ordering; either one set to \"strict\" is enough.",
                             nullptr, &order_setting, kOrderRelaxed, order_values, PGC_USERSET, 0, nullptr, nullptr,
                             nullptr);
    DefineCustomIntVariable("ivf.cache_size", "Sets the memory in which a backend keeps the centroids of ivf indexes.",
                            "An index whose centroids need more than half of it has them read from its pages.",
                            &cache_size_setting, 32 * 1024, 0, MAX_KILOBYTES, PGC_USERSET, GUC_UNIT_KB, nullptr,
                            AssignCacheSize, nullptr);
    MarkGUCPrefixReserved("ivf");
}

static const Options* OptionsOf(Relation index) {
    return reinterpret_cast<const Options*>(index->rd_options);
}

int ListsOption(Relation index) {
    const Options* options = OptionsOf(index);
    return options == nullptr ? 0 : options->lists;
}

SpillOption SpillOptionOf(Relation index) {
    const Options* options = OptionsOf(index);
    return options == nullptr ? kSpillAuto : static_cast<SpillOption>(options->spill);
}

}  // namespace annex::pg::ivf

extern "C" bytea* ivfoptions(Datum reloptions, bool validate) noexcept {
    using annex::pg::ivf::Options;
    static const relopt_parse_elt table[] = {{"lists", RELOPT_TYPE_INT, offsetof(Options, lists)},
                                             {"spill", RELOPT_TYPE_ENUM, offsetof(Options, spill)}};
    return static_cast<bytea*>(build_reloptions(reloptions, validate, annex::pg::ivf::relopt_kind_ivf, sizeof(Options),
                                                table, lengthof(table)));
}
