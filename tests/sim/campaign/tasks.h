// Runs pieces of work in processes of their own, a few at a time: one that aborts takes nothing else with it.
#pragma once

#include <cstddef>
#include <cstdio>
#include <functional>
#include <string>

namespace duly::sim {

struct TaskResult {
  std::size_t task = 0;
  std::string output;  // all it printed to its `out`
  bool ended = false;  // by itself; false = a signal (an assertion, a sanitizer) ended it
};

// Calls work(task, out) for every task below `count`, each in a forked child, at most `jobs` at once; `done`
// is called here, in the order in which they end, and may answer false: then no further one is started.
void run_tasks(std::size_t count, int jobs, const std::function<void(std::size_t, std::FILE*)>& work,
               const std::function<bool(const TaskResult&)>& done);

}  // namespace duly::sim
