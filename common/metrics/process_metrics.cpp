#include "common/metrics/process_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace duly {
namespace {

// 0 when the system does not say; so with the others.
double resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  double size = 0;
  double resident = 0;
  statm >> size >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

double processor_seconds() {
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) != 0) return 0;
  const auto seconds_of = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
}

double open_files() {
  std::error_code error;
  std::filesystem::directory_iterator at("/proc/self/fd", error);
  double count = -1;  // the one that reads the folder
  for (; !error && at != std::filesystem::directory_iterator(); at.increment(error)) ++count;
  return count < 0 ? 0 : count;
}

double most_files() {
  rlimit limit{};
  return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? static_cast<double>(limit.rlim_cur) : 0;
}

double boot_seconds() {
  std::ifstream stat("/proc/stat");
  for (std::string word; stat >> word;) {
    double value = 0;
    if (word == "btime" && stat >> value) return value;
  }
  return 0;
}

// Field 22 of stat, in ticks since the boot.  Field 2 is a name in brackets that may hold anything.
double start_seconds() {
  constexpr int kFieldsBetween = 19;
  std::ifstream stat("/proc/self/stat");
  std::string line;
  std::getline(stat, line);
  const std::size_t end_of_name = line.rfind(')');
  if (end_of_name == std::string::npos) return 0;
  std::istringstream rest(line.substr(end_of_name + 1));
  std::string skipped;
  for (int i = 0; i < kFieldsBetween; ++i) rest >> skipped;
  double ticks = 0;
  rest >> ticks;
  return boot_seconds() + ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

}  // namespace

void add_process_metrics(MetricsPage& page) {
  page.gauge("process_resident_memory_bytes", "Resident memory of this process.", resident_bytes());
  page.counters("process_cpu_seconds_total", "Processor time of this process.", {},
                {{{}, processor_seconds()}});
  page.gauge("process_open_fds", "Open files and sockets of this process.", open_files());
  page.gauge("process_max_fds", "Most files and sockets that this process may open.", most_files());
  page.gauge("process_start_time_seconds", "When this process began, in seconds since 1970.",
             start_seconds());
}

}  // namespace duly
