// Scans in order of distance of rows that a WHERE clause selects. README.md says how they work.
#pragma once

namespace annex::pg {

// Defines the settings, and installs the hooks that put the node into plans.
void InstallFilteredScan();

}  // namespace annex::pg
