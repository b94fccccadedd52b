//===- BulkGroups.h - bulk copies to global memory in flight ------------------===//
//
// Part of the quantopt project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------------===//
#ifndef QUANTOPT_LIB_PTX_BULKGROUPS_H
#define QUANTOPT_LIB_PTX_BULKGROUPS_H

#include <array>
#include <cstdint>
#include <vector>

namespace quantopt::ptx {

/// The bulk copies out of shared memory that a warp's threads have started and not waited for. Groups are each thread's
/// own. Copies are known by the stamps of the warp's agent, which makes them.
class BulkGroups {
public:
  void add(unsigned lane, uint32_t stamp, unsigned line) { lanes[lane].open = {stamp, line}; }
  void commit(unsigned lane) {
    lanes[lane].groups.push_back(lanes[lane].open);
    lanes[lane].open = {};
  }
  /// All but the last `left` groups are complete; the stamp up to which that is, or 0.
  uint32_t wait(unsigned lane, uint32_t left) {
    uint32_t stamp = 0;
    std::vector<Group> &groups = lanes[lane].groups;
    while (groups.size() > left) {
      stamp = std::max(stamp, groups.front().stamp);
      groups.erase(groups.begin());
    }
    return stamp;
  }
  /// The line of a copy that nothing has waited for, or 0.
  unsigned unfinishedLine() const {
    for (const Lane &lane : lanes) {
      if (lane.open.line)
        return lane.open.line;
      for (const Group &group : lane.groups)
        if (group.line)
          return group.line;
    }
    return 0;
  }

private:
  /// The last copy of a group.
  struct Group {
    uint32_t stamp = 0;
    unsigned line = 0;
  };
  struct Lane {
    Group open;
    std::vector<Group> groups;
  };
  std::array<Lane, 32> lanes;
};

} // namespace quantopt::ptx

#endif // QUANTOPT_LIB_PTX_BULKGROUPS_H
