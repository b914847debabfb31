// Measures the limits of this machine's disk and broker, and prints them as one JSON object.
//
//   bench_limits --folder DIR --amqp URL [--seconds N] [--count N] [--single N]
//
// --seconds: of each measurement on the disk (2); --count: messages of each at the broker (100000); --single:
// publishes that wait for their confirm one by one (2000).  DIR should be on the disk that Duly's data will
// be on.
#include "tests/bench/flags.h"
#include "tests/bench/give_up.h"
#include "tests/bench/limits/limits.h"

int main(int argc, char** argv) {
  using namespace duly::bench;
  const Flags flags(argc, argv, 1, {"folder", "amqp", "seconds", "count", "single"});
  Tally tally;
  if (flags.text("folder").empty() || flags.text("amqp").empty()) give_up("--folder and --amqp are needed");
  measure_disk(flags.text("folder"), flags.number("seconds", 2), tally);
  measure_broker(flags.text("amqp"), static_cast<long>(flags.number("count", 100'000)),
                 static_cast<long>(flags.number("single", 2000)), tally);
  tally.print();
  return 0;
}
