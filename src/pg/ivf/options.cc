// Options of CREATE INDEX ... USING ivf, and the settings ivf.*.
#include "pg/index/target_recall.h"
#include "pg/ivf/cache.h"
#include "pg/ivf/dialect.h"
#include "pg/ivf/ivf.h"

extern "C" {
#include "access/reloptions.h"
}

#include <algorithm>
#include <cmath>

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
    DefineCustomEnumVariable("ivf.order", "Does what ivf.ordering does; either one set to \"strict\" is enough.",
                             nullptr, &order_setting, kOrderRelaxed, order_values, PGC_USERSET, 0, nullptr, nullptr,
                             nullptr);
    DefineCustomIntVariable("ivf.cache_size", "Sets the memory in which a backend keeps the centroids of ivf indexes.",
                            "An index whose centroids need more than half of it has them read from its pages.",
                            &cache_size_setting, 32 * 1024, 0, MAX_KILOBYTES, PGC_USERSET, GUC_UNIT_KB, nullptr,
                            AssignCacheSize, nullptr);
    MarkGUCPrefixReserved("ivf");
}

// ---- What a scan uses ----

// Where no LIMIT is known.
static constexpr double kUnknownLimit = 10;

static CalibrationEntry Between(const CalibrationEntry& a, const CalibrationEntry& b, double at) {
    const auto mix = [at](float x, float y) { return x + static_cast<float>(at) * (y - x); };
    const float probes = mix(static_cast<float>(a.probes), static_cast<float>(b.probes));
    return {mix(a.recall, b.recall), mix(a.epsilon, b.epsilon), mix(a.patience, b.patience), mix(a.lists, b.lists),
            static_cast<uint32>(std::lround(probes))};
}

// Each halving of what is missed costs about the same.
static CalibrationEntry AtRecall(const CalibrationEntry* entries, double recall) {
    for (int i = 1; i < kCalibratedRecalls; i++) {
        const CalibrationEntry& low = entries[i - 1];
        const CalibrationEntry& high = entries[i];
        if (recall > static_cast<double>(high.recall)) continue;
        const double from = std::log(1 - static_cast<double>(low.recall));
        const double to = std::log(1 - static_cast<double>(high.recall));
        const double at = to < from ? (std::log(1 - recall) - from) / (to - from) : 1;
        return Between(low, high, std::clamp(at, 0.0, 1.0));
    }
    return entries[kCalibratedRecalls - 1];
}

static CalibrationEntry Calibrated(const MetaPage& meta, double k, double recall) {
    for (int i = 1; i < kCalibratedKs; i++) {
        if (k > kCalibratedK[i]) continue;
        const double low = kCalibratedK[i - 1];
        const double at = std::log(k / low) / std::log(kCalibratedK[i] / low);
        return Between(AtRecall(meta.calibration[i - 1], recall), AtRecall(meta.calibration[i], recall),
                       std::clamp(at, 0.0, 1.0));
    }
    // Beyond, the rows lie in as many more lists; what a list has to promise stays the same.
    CalibrationEntry entry = AtRecall(meta.calibration[kCalibratedKs - 1], recall);
    const double more = k / kCalibratedK[kCalibratedKs - 1];
    entry.lists = static_cast<float>(std::min(static_cast<double>(entry.lists) * more, static_cast<double>(kMaxLists)));
    entry.probes = static_cast<uint32>(std::min(entry.probes * more, static_cast<double>(kMaxLists)));
    return entry;
}

static ScanSettings Uncalibrated() {
    // Beyond that, what sketches miss counts.
    const float epsilon = target_recall_setting > 0.97 ? kCarefulEpsilon : kDefaultEpsilon;
    return {kDefaultProbes, kDefaultProbes, kDefaultPatience, epsilon};
}

static ScanSettings SettingsAt(const MetaPage& meta, double k, double recall) {
    ScanSettings settings = Uncalibrated();
    if (probes_setting > 0) {
        // What is calibrated goes together with its own number of probes.
        settings.probes = static_cast<uint32>(probes_setting);
        settings.lists = static_cast<float>(probes_setting);
        settings.patience = ListSearch::kEndlessPatience;
    } else if (meta.calibrated_rows > 0) {
        const CalibrationEntry entry = Calibrated(meta, k > 0 ? k : kUnknownLimit, recall);
        settings = {entry.probes, entry.lists, entry.patience, entry.epsilon};
    }
    if (epsilon_setting > 0) settings.epsilon = static_cast<float>(epsilon_setting);
    settings.probes = std::clamp<uint32>(settings.probes, 1, meta.lists);
    settings.lists = std::clamp<float>(settings.lists, 1, static_cast<float>(settings.probes));
    return settings;
}

ScanSettings SettingsFor(const MetaPage& meta, double k) {
    return SettingsAt(meta, k, target_recall_setting);
}

// What a search under a filter aims at. The calibration is made without one, and where what passes lies far from the
// query a run of dry lists says less: of the far tenth of 550,000 rows .91 to .93 were found where .95 were asked for,
// and .94 to .95 so. Under random filters it takes a tenth to a quarter more lists.
static double FilteredRecall(double recall) {
    return 1 - 0.85 * (1 - recall);
}

// What a search under a filter takes at least: what the nearest 10 of held-out queries took on three data sets of
// different kinds. A calibration may say less, because its queries are rows, and rows that lie in tight groups find
// each other with hardly any; what passes the filter in other groups they do not. Each halving of what is missed adds
// the same.
static float LeastFilteredPatience(double recall) {
    return static_cast<float>(1.8 + 0.3 * std::log2(0.05 / (1 - recall)));
}

// A search under a filter ends when its patience does (annex/search.h), wherever the rows that pass lie, so that no
// number of probes bounds it. If they lie at random, the k nearest of them are among the k / share nearest of all,
// whose patience serves them, too.
ScanSettings FilteredSettingsFor(const MetaPage& meta, double k, double share) {
    if (probes_setting > 0) return SettingsFor(meta, k);
    const double recall = FilteredRecall(target_recall_setting);
    ScanSettings settings = SettingsAt(meta, k, recall);
    if (meta.calibrated_rows > 0) {
        const double wanted = k > 0 ? k : kUnknownLimit;
        const double known = std::max(wanted, static_cast<double>(kCalibratedK[kCalibratedKs - 1]));
        const double rank = share > 0 ? std::clamp(wanted / share, wanted, known) : known;
        const ScanSettings of_rank = SettingsAt(meta, rank, recall);
        settings.patience =
            std::max({settings.patience, of_rank.patience, LeastFilteredPatience(target_recall_setting)});
        settings.epsilon = std::max(settings.epsilon, of_rank.epsilon);
    }
    settings.probes = meta.lists;
    return settings;
}

// Every row of the lists that are probed is to come, in order.
static ScanSettings SettingsOfDialect(const Dialect& dialect, const MetaPage& meta) {
    const uint32 probes = std::min(static_cast<uint32>(dialect.limits().first), meta.lists);
    const float epsilon = epsilon_setting > 0 ? static_cast<float>(epsilon_setting) : dialect.epsilon;
    return {probes, static_cast<float>(probes), ListSearch::kEndlessPatience, epsilon};
}

ScanSettings SettingsOf(Relation index, const MetaPage& meta, double k) {
    const Dialect* dialect = DialectOf(index);
    return dialect == nullptr ? SettingsFor(meta, k) : SettingsOfDialect(*dialect, meta);
}

// A dialect's search under a filter takes as many lists as ivf's, within its limit.
ScanSettings FilteredSettingsOf(Relation index, const MetaPage& meta, double k, double share) {
    const Dialect* dialect = DialectOf(index);
    if (dialect == nullptr) return FilteredSettingsFor(meta, k, share);
    ScanSettings settings = SettingsOfDialect(*dialect, meta);
    settings.probes = std::min(static_cast<uint32>(dialect->limits().filtered), meta.lists);
    settings.patience = std::max(kDefaultPatience, LeastFilteredPatience(target_recall_setting));
    return settings;
}

double ShareOf(const MetaPage& meta, const TidSet& rows) {
    static constexpr double kRowsOfLossyPage = 50;
    const double passing =
        static_cast<double>(rows.exact_rows()) + kRowsOfLossyPage * static_cast<double>(rows.lossy_pages());
    return std::min(std::max(passing, 1.0) / std::max(meta.listed_rows, 1.0), 1.0);
}

// ---- Options of CREATE INDEX ----

static const Options* OptionsOf(Relation index) {
    return reinterpret_cast<const Options*>(index->rd_options);
}

int ListsOption(Relation index) {
    const Options* options = OptionsOf(index);
    if (options != nullptr) return options->lists;
    const Dialect* dialect = DialectOf(index);
    return dialect == nullptr ? 0 : dialect->default_lists;
}

Training TrainingOf(Relation index, uint32 lists) {
    const Dialect* dialect = DialectOf(index);
    return dialect == nullptr ? UsualTraining(lists) : dialect->training(lists);
}

SpillOption SpillOptionOf(Relation index) {
    if (DialectOf(index) != nullptr) return kSpillOff;
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
