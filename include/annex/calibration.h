// What settings a recall needs, learnt from deep searches whose true answers are known.
//
// A search with patience p probes the lists up to the first whose Demand (annex/search.h) exceeds p; up to there it
// does exactly what a search without end does. So one search with endless patience tells for every patience what it
// would have found: a row that list i brought is found with patience p if no list up to i demanded more than p.
//
// How to calibrate an index for one k and one epsilon:
//
//   Calibration calibration(epsilon), epsilon being EpsilonFor(the highest recall that it serves)
//   for some hundred to a thousand queries whose k nearest rows are known:
//       search.Begin(space, query, epsilon, ...);
//       calibration.BeginQuery();
//       search.BeginRound(k + spare rows, as the scan does);
//       for each list of the ranking, up to `deep` of them:
//           if (!calibration.AddList(search.Demand(list))) break;
//           probe the list
//       search.EndRound(probed);
//       for each candidate of search.Next that is one of the k nearest:
//           calibration.AddFound(candidate.probe);
//       calibration.EndQuery(k);
//   for each recall t that the table is to have:
//       Effort effort = calibration.EffortFor(AimFor(t));
//
// Rows that serve as queries find themselves: search for k + 1 (the round too), leave the row itself out of its k
// nearest. They are easier than other queries; AimFor makes up for that and for chance. The k nearest need not come
// from a scan of all rows: a search for twice as many lists with epsilon 4 gives them but for a thousandth, and its
// candidates' order is good enough.
//
// `deep` bounds what a query costs and should be some ten times the lists that the highest recall needs at the mean; a
// twentieth of the lists and at least 256 was enough for .99 of k = 100 on all data tried. AddList says no beyond
// kMostPatience, where nothing is left to find, so that most queries cost much less.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace annex {

// What a search is given: the knob is `patience`, and recall grows with it alone. `most` bounds what the rare hardest
// queries cost, and has no bearing on mean recall; `epsilon` is chosen by EpsilonFor.
struct Effort {
    float patience = 0;
    uint32_t most = 0;  // lists probed in the first round at most
    float epsilon = 0;  // for information: that of the calibration
    double recall = 0;  // of the queries of the calibration
    double lists = 0;   // mean of lists probed
};

// The recall to aim at when t is asked for.
[[nodiscard]] constexpr double AimFor(double t) noexcept {
    return t + 0.3 * (1 - t);
}

// The epsilon that serves a recall best: a smaller one refines fewer rows, and loses some.
[[nodiscard]] float EpsilonFor(double recall) noexcept;

class Calibration {
  public:
    static constexpr float kMostPatience = 6;

    // epsilon: what the searches are made with, EpsilonFor(the recall wanted).
    explicit Calibration(float epsilon) noexcept : epsilon_(epsilon) {}

    void BeginQuery();
    // The next list of the ranking and what ListSearch::Demand says of it. False when it should not be probed.
    bool AddList(float demand);
    // A true neighbour that list number `probe` of this query brought, the first being 0.
    void AddFound(size_t probe);
    // The query had k true neighbours.
    void EndQuery(size_t k);

    [[nodiscard]] size_t queries() const noexcept { return queries_; }
    // Share of the true neighbours that searches with this patience find.
    [[nodiscard]] double RecallAt(float patience) const;
    // Lists that they probe at the mean.
    [[nodiscard]] double ListsAt(float patience) const;
    // The least effort that reaches `recall`; where the searches themselves did not reach it, all of theirs (its
    // `recall` says so).
    [[nodiscard]] Effort EffortFor(double recall) const;

  private:
    void Sort() const;

    float epsilon_;
    size_t queries_ = 0;
    size_t neighbours_ = 0;
    std::vector<float> demands_;  // of this query's lists: the greatest so far
    // One number for each true neighbour that was found: the patience that finds it; and for each list, the one that
    // probes it. Sorted when they are read.
    mutable std::vector<float> found_;
    mutable std::vector<float> lists_;
    mutable bool sorted_ = true;
};

}  // namespace annex
