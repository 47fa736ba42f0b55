// Settings of filtered scans.
#pragma once

namespace annex::pg {

extern bool filtered_scan_enabled;  // annex.enable_filtered_scan

inline constexpr int kAutomaticWay = -1;
extern int forced_way;  // annex.filtered_way: kAutomaticWay or a Way

}  // namespace annex::pg
