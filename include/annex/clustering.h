// Training and assignment: which list a vector belongs to.
//
// Everything works in the rotated, centred space of P padded dimensions (annex/space.h) and by L2 for every metric: for
// inner product, spherical k-means makes a query scan several times more rows (measured), L2 with second copies does
// not.
//
// Work is cut into steps of some 20 ms a thread, so that the caller can serve interrupts in between. Results depend on
// the input and the seed alone, not on the number of threads or the CPU level's timing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace annex {

inline constexpr uint32_t kNoList = UINT32_MAX;

// Rows that a sample usually has.
inline constexpr size_t kSampleRowsPerList = 64;

// Starts the team of worker threads (threads - 1 of them) with every signal blocked, so that none is ever delivered to
// them. What is below uses at most the threads of this team, so without this call it runs on the caller's thread alone,
// whatever it was asked for. The team belongs to the thread that started it. When the system refuses a thread, the team
// is as large as it allowed.
void StartThreads(int threads) noexcept;
// Ends the team. Nothing below may be running.
void StopThreads() noexcept;

// A sample of rows, each held as 8-bit codes and a scale: a quarter of the floats' memory.
class Sample {
  public:
    // Memory is taken as rows arrive, at most BytesPerRow(padded) * capacity.
    Sample(size_t padded, size_t capacity);

    [[nodiscard]] static size_t BytesPerRow(size_t padded) noexcept { return padded + sizeof(float); }

    // Rows are finite.
    void Add(const float* row);                         // size() < capacity
    void Replace(size_t i, const float* row) noexcept;  // i < size()
    [[nodiscard]] size_t size() const noexcept { return size_; }
    [[nodiscard]] size_t capacity() const noexcept { return capacity_; }
    [[nodiscard]] size_t padded() const noexcept { return padded_; }

    // Row i is scale(i) * codes(i)[0 .. padded), each coordinate within scale(i) / 2 of what was added (and a
    // rounding).
    [[nodiscard]] const int8_t* codes(size_t i) const noexcept {
        return chunks_[i / kChunkRows].get() + i % kChunkRows * padded_;
    }
    [[nodiscard]] float scale(size_t i) const noexcept;
    // Decodes row i into out[padded].
    void Decode(size_t i, float* out) const noexcept;

  private:
    static constexpr size_t kChunkRows = 256;

    // Rows in the chunk of row i: kChunkRows, fewer in the last one.
    [[nodiscard]] size_t ChunkRows(size_t i) const noexcept;

    size_t padded_;
    size_t capacity_;
    size_t size_ = 0;
    // A chunk holds the codes of its rows, then their scales.
    std::vector<std::unique_ptr<int8_t[]>> chunks_;
};

struct KMeansOptions {
    size_t lists;
    size_t iterations;
    uint64_t seed;
    int threads;
    // Spherical k-means: centroids are kept at distance 1 from this point, as the rows are. Empty: k-means.
    std::vector<float> centre = {};  // padded floats
};

// Lloyd's k-means from random rows: assignment by products of 8-bit codes (||x||^2 + ||c||^2 - 2 x c^T), empty clusters
// refilled by splitting a large one (probability in proportion to its size, both halves moved apart by a factor of
// 1 +- 1/1024).
// There may be fewer lists than were asked for: those that are nearest to no row at the end are left out. No more rows
// than lists: the rows themselves, each once, so that there are fewer lists; no rows: one list at zero.
class KMeans {
  public:
    // The sample must outlive this object and stay as it is. Takes 6 * padded + 20 bytes a list and 8 bytes a sampled
    // row (40 from 1,024 lists on), and some 1 MB a thread.
    KMeans(const Sample& sample, const KMeansOptions& options);
    ~KMeans();
    // Does a bounded piece of work. False when there is nothing left to do.
    bool Step();
    [[nodiscard]] double progress() const noexcept;  // 0 to 1
    // padded floats for each list, row-major. Complete when Step() has returned false.
    [[nodiscard]] std::vector<float> TakeCentroids();

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

// How much work goes into the lists.
struct Training {
    size_t sample_rows_per_list;
    size_t iterations;
    bool spherical;  // for cosine: lists go by angles alone, so that short centroids, those of wide lists, are not
                     // nearer
};

// For searches that go on for as many lists as they need: 10 iterations for few lists, down to 3 for many (each costs
// lists * rows * padded).
[[nodiscard]] Training UsualTraining(size_t lists) noexcept;
// For searches of a given number of lists, which are to find as much as they can: four times the rows and more for few
// lists, and 20 iterations, down to 10 for more.
[[nodiscard]] Training ThoroughTraining(size_t lists) noexcept;

struct Assignment {
    uint32_t primary;
    uint32_t secondary;  // kNoList without a second copy, or with a single list
};

// The nearest list: where products of 8-bit codes leave doubt, floats decide. The second copy goes
// where SOAR's loss ||r'||^2 + <r', r/||r||>^2 is least among the next seven nearest, r and r' being the residuals to
// the first and the second list (arXiv 2404.00774).
class Assigner {
  public:
    // centroids[lists * padded] must outlive the assigner.
    Assigner(const float* centroids, size_t lists, size_t padded, int threads);
    ~Assigner();
    // Rows that one call of Assign may take and stay within some 20 ms a thread and 16 MB of scratch memory; at
    // least 1.
    [[nodiscard]] size_t batch() const noexcept;
    void Assign(const float* rows, size_t n, bool spill, Assignment* out) noexcept;

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

// Decides whether second copies pay: draws up to 256 queries from the sample, finds their 10 nearest among it, and
// compares how many entries must be scanned, lists being probed in order of distance, until 90 to 98 % of these are
// found (the mean over that range), with and without second copies. They pay when they save more than an eighth of that
// and of what visiting a list costs beside its entries, since each costs memory as well.
class SpillTrial {
  public:
    SpillTrial(const Sample& sample, const float* centroids, size_t lists, uint64_t seed, int threads);
    ~SpillTrial();
    bool Step();  // false when done
    [[nodiscard]] bool Pays() const noexcept;
    [[nodiscard]] double scanned_single() const noexcept;  // entries a query of the sample, for the record
    [[nodiscard]] double scanned_spill() const noexcept;

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace annex
