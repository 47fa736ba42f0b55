// Recall and speed of the engine alone: an index in memory, beside a scan of all rows.
//
//   engine_bench --base FILE --query FILE [--truth FILE] [--metric l2|ip|cosine] [--lists N] [--spill on|off|auto]
//                [--threads N] [--k N] [--probes N,N,...] [--patience X,X,...] [--most N] [--epsilon X,X,...]
//                [--rows N] [--seconds X] [--kernels LEVEL]
//
// Files are those of big-ann-benchmarks: two little-endian int32, rows and dimensions, then the rows; .u8bin uint8,
// .i8bin int8, .fbin float32, .ibin int32 (the truth: for each query its nearest rows, nearest first). Without a truth
// file it is computed. Queries run on one thread, and their rate is per second of its processor time; --threads is for
// the build. --probes are measured without patience, each --patience with at most --most probes; all of them with each
// epsilon. The settings take turns, and the best turn of each counts, so that a busy machine is as unfair to one as to
// the other. Prints a Markdown table.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "annex/clustering.h"
#include "annex/error.h"
#include "annex/kernels.h"
#include "annex/memory_index.h"

namespace annex {
namespace {

[[noreturn]] void Fail(const std::string& message) {
    throw Error(ErrorKind::kInvalidArgument, message);
}

template <typename T>
struct Matrix {
    size_t count = 0;
    size_t dimensions = 0;
    std::vector<T> values;

    [[nodiscard]] const T* row(size_t i) const { return &values[i * dimensions]; }
};

// Reads a file of Stored elements as T.
template <typename Stored, typename T>
Matrix<T> ReadAs(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    int32_t header[2];
    if (!file.read(reinterpret_cast<char*>(header), sizeof(header))) Fail("could not read \"" + path + "\"");
    if (header[0] <= 0 || header[1] <= 0) Fail("\"" + path + "\" has no rows or no dimensions");
    Matrix<T> matrix{static_cast<size_t>(header[0]), static_cast<size_t>(header[1]), {}};
    std::vector<Stored> row(matrix.dimensions);
    matrix.values.reserve(matrix.count * matrix.dimensions);
    for (size_t i = 0; i < matrix.count; ++i) {
        if (!file.read(reinterpret_cast<char*>(row.data()),
                       static_cast<std::streamsize>(row.size() * sizeof(Stored)))) {
            Fail("\"" + path + "\" ends within row " + std::to_string(i));
        }
        matrix.values.insert(matrix.values.end(), row.begin(), row.end());
    }
    return matrix;
}

Matrix<float> ReadVectors(const std::string& path) {
    if (path.ends_with(".u8bin")) return ReadAs<uint8_t, float>(path);
    if (path.ends_with(".i8bin")) return ReadAs<int8_t, float>(path);
    if (path.ends_with(".fbin")) return ReadAs<float, float>(path);
    Fail("\"" + path + "\" is neither .u8bin, .i8bin nor .fbin");
}

struct Options {
    std::string base;
    std::string query;
    std::string truth;
    MemoryIndexOptions index;
    std::vector<size_t> probes = {1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256};
    std::vector<float> patience;
    size_t most = 512;
    size_t k = 10;
    size_t rows = SIZE_MAX;
    std::vector<float> epsilon = {1.9F};
    double seconds = 1;  // at least, for each line
};

size_t ParseNumber(std::string_view name, const std::string& value) {
    char* end = nullptr;
    const unsigned long number = std::strtoul(value.c_str(), &end, 10);
    if (value.empty() || *end != '\0') Fail("--" + std::string(name) + " is not a number: \"" + value + "\"");
    return number;
}

float ParseFloat(std::string_view name, const std::string& value) {
    char* end = nullptr;
    const float number = std::strtof(value.c_str(), &end);
    if (value.empty() || *end != '\0') Fail("--" + std::string(name) + " is not a number: \"" + value + "\"");
    return number;
}

template <typename Parse>
auto ParseList(std::string_view name, const std::string& value, Parse parse) {
    std::vector<decltype(parse(name, value))> numbers;
    for (size_t start = 0; start <= value.size();) {
        const size_t comma = std::min(value.find(',', start), value.size());
        numbers.push_back(parse(name, value.substr(start, comma - start)));
        start = comma + 1;
    }
    return numbers;
}

template <typename Choice>
Choice ParseChoice(std::string_view name, const std::string& value, const std::map<std::string, Choice>& choices) {
    const auto found = choices.find(value);
    if (found == choices.end()) Fail("--" + std::string(name) + " does not know \"" + value + "\"");
    return found->second;
}

Options ParseOptions(std::span<char*> arguments) {
    Options options;
    for (size_t i = 1; i < arguments.size(); i += 2) {
        const std::string_view argument = arguments[i];
        if (!argument.starts_with("--") || i + 1 == arguments.size()) {
            Fail("expected --option value, found \"" + std::string(argument) + "\"");
        }
        const std::string_view name = argument.substr(2);
        const std::string value = arguments[i + 1];
        if (name == "base") {
            options.base = value;
        } else if (name == "query") {
            options.query = value;
        } else if (name == "truth") {
            options.truth = value;
        } else if (name == "metric") {
            options.index.metric = ParseChoice<Metric>(
                name, value,
                {{"l2", Metric::kL2}, {"ip", Metric::kInnerProduct}, {"cosine", Metric::kCosine}, {"l1", Metric::kL1}});
        } else if (name == "lists") {
            options.index.lists = ParseNumber(name, value);
        } else if (name == "spill") {
            options.index.spill = ParseChoice<SpillChoice>(
                name, value, {{"on", SpillChoice::kOn}, {"off", SpillChoice::kOff}, {"auto", SpillChoice::kAuto}});
        } else if (name == "threads") {
            options.index.threads = static_cast<int>(std::max<size_t>(ParseNumber(name, value), 1));
        } else if (name == "k") {
            options.k = std::max<size_t>(ParseNumber(name, value), 1);
        } else if (name == "probes") {
            options.probes = ParseList(name, value, ParseNumber);
        } else if (name == "patience") {
            options.patience = ParseList(name, value, ParseFloat);
        } else if (name == "most") {
            options.most = ParseNumber(name, value);
        } else if (name == "rows") {
            options.rows = ParseNumber(name, value);
        } else if (name == "epsilon") {
            options.epsilon = ParseList(name, value, ParseFloat);
        } else if (name == "seconds") {
            options.seconds = std::strtod(value.c_str(), nullptr);
        } else if (name == "kernels") {
            if (!SetKernelLevel(value)) Fail("this CPU has no kernels \"" + value + "\"");
        } else {
            Fail("unknown option --" + std::string(name));
        }
    }
    if (options.base.empty() || options.query.empty()) Fail("--base and --query are needed");
    return options;
}

// Processor time of this thread: on a busy machine it says more than the clock on the wall.
double CpuTime() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

double Now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

class Bench {
  public:
    explicit Bench(Options options)
        : options_(std::move(options)), base_(ReadVectors(options_.base)), queries_(ReadVectors(options_.query)) {
        if (base_.dimensions != queries_.dimensions) Fail("base and queries have different dimensions");
        if (options_.rows < base_.count) {
            base_.count = options_.rows;
            options_.truth.clear();  // it speaks of all rows
        }
        if (!options_.truth.empty()) {
            const auto truth = ReadAs<int32_t, int32_t>(options_.truth);
            if (truth.count != queries_.count || truth.dimensions < options_.k) {
                Fail("\"" + options_.truth + "\" does not fit the queries");
            }
            truth_.resize(truth.count);
            for (size_t q = 0; q < truth.count; ++q) truth_[q].assign(truth.row(q), truth.row(q) + options_.k);
        }
    }

    void Run() {
        if (options_.index.threads > 1) StartThreads(options_.index.threads);
        const double start = Now();
        const MemoryIndex index(View(), options_.index);
        const double build = Now() - start;
        if (options_.index.threads > 1) StopThreads();
        std::printf("%zu rows, %zu dimensions, %zu queries, kernels %s\n", base_.count, base_.dimensions,
                    queries_.count, ActiveKernels().name);
        std::printf("%zu lists, spill %s, built in %.1f s by %d threads, %.0f bytes a row\n\n", index.lists(),
                    index.spill() ? "on" : "off", build, options_.index.threads,
                    static_cast<double>(index.bytes()) / static_cast<double>(base_.count));
        std::printf(
            "| probes | patience | epsilon | recall@%zu | queries/s | lists | entries | refined | rechecked | rounds "
            "|\n",
            options_.k);
        std::printf("|---|---|---|---|---|---|---|---|---|---|\n");
        MeasureExact();
        MemorySearcher searcher(index);
        std::vector<Line> lines = Lines(index.lists());
        // Until each has had its time; once at least.
        const double end = Now() + options_.seconds * static_cast<double>(lines.size());
        do {
            for (Line& line : lines) Measure(&searcher, &line);
        } while (Now() < end);
        for (const Line& line : lines) Print(line);
    }

  private:
    [[nodiscard]] VectorView View() const { return {base_.values.data(), base_.count, base_.dimensions}; }

    [[nodiscard]] size_t Hits(size_t q, std::span<const Neighbour> found) const {
        size_t hits = 0;
        for (const Neighbour& neighbour : found) {
            hits += static_cast<size_t>(
                std::count(truth_[q].begin(), truth_[q].end(), static_cast<int32_t>(neighbour.row)));
        }
        return hits;
    }

    [[nodiscard]] double Recall(size_t hits, size_t queries) const {
        return static_cast<double>(hits) / static_cast<double>(queries * options_.k);
    }

    // The scan of all rows; of some queries only, unless it must give the truth.
    void MeasureExact() {
        const bool truth_needed = truth_.empty();
        const size_t queries = truth_needed ? queries_.count : std::min<size_t>(queries_.count, 100);
        size_t hits = 0;
        const double start = CpuTime();
        for (size_t q = 0; q < queries; ++q) {
            const std::vector<Neighbour> found =
                ExactSearch(View(), options_.index.metric, queries_.row(q), options_.k);
            if (truth_needed) {
                truth_.emplace_back();
                for (const Neighbour& neighbour : found) truth_[q].push_back(static_cast<int32_t>(neighbour.row));
            }
            hits += Hits(q, found);
        }
        const double rate = static_cast<double>(queries) / (CpuTime() - start);
        std::printf("| all rows | | | %.4f | %.0f | 0 | %zu | 0 | %zu | 0 |\n", Recall(hits, queries), rate,
                    base_.count, base_.count);
        std::fflush(stdout);
    }

    struct Line {
        MemorySearchOptions search;
        double best = 0;  // queries per second
        size_t hits = 0;
        SearchCounters sums{};
        double rechecked = 0;
    };

    [[nodiscard]] std::vector<Line> Lines(size_t lists) const {
        std::vector<Line> lines;
        for (const float epsilon : options_.epsilon) {
            for (const size_t probes : options_.probes)
                if (probes <= lists) lines.push_back({{options_.k, probes, epsilon}});
            for (const float patience : options_.patience)
                lines.push_back({{options_.k, std::min(options_.most, lists), epsilon, patience}});
        }
        return lines;
    }

    // All queries once.
    void Measure(MemorySearcher* searcher, Line* line) {
        line->hits = 0;
        line->sums = SearchCounters{};
        line->rechecked = 0;
        const double start = CpuTime();
        for (size_t q = 0; q < queries_.count; ++q) {
            line->hits += Hits(q, searcher->Search(queries_.row(q), line->search));
            const SearchCounters& counters = searcher->counters();
            line->sums.lists += counters.lists;
            line->sums.entries += counters.entries;
            line->sums.refined += counters.refined;
            line->sums.rounds += counters.rounds;
            line->rechecked += static_cast<double>(searcher->rechecked());
        }
        line->best = std::max(line->best, static_cast<double>(queries_.count) / (CpuTime() - start));
    }

    void Print(const Line& line) const {
        const auto mean = [this](auto sum) { return static_cast<double>(sum) / static_cast<double>(queries_.count); };
        std::printf("| %zu | %.2f | %.2f | %.4f | %.0f | %.1f | %.0f | %.0f | %.1f | %.3f |\n", line.search.probes,
                    static_cast<double>(line.search.patience), static_cast<double>(line.search.epsilon),
                    Recall(line.hits, queries_.count), line.best, mean(line.sums.lists), mean(line.sums.entries),
                    mean(line.sums.refined), mean(line.rechecked), mean(line.sums.rounds));
    }

    Options options_;
    Matrix<float> base_;
    Matrix<float> queries_;
    std::vector<std::vector<int32_t>> truth_;
};

}  // namespace
}  // namespace annex

int main(int argc, char** argv) {
    try {
        annex::Bench(annex::ParseOptions({argv, static_cast<size_t>(argc)})).Run();
    } catch (const std::exception& error) {
        std::fprintf(stderr, "engine_bench: %s\n", error.what());
        return 1;
    }
    return 0;
}
