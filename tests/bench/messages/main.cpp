// Publishes and takes delayed messages as their users do, at full speed, with the broker alone in between or
// with Duly.
//
//   bench_messages publish --amqp URL --exchange E --key K --count N [--rate PER_S]
//                  [--say x-delay|duly-due-at|expiration] [--delay-ms N [--delay-to-ms N]]
//                  [--deliver-exchange X] [--message-ids PREFIX]
//   bench_messages consume --amqp URL --queue Q --count N [--patience-s N]
//
// `publish`: persistent messages of 256 bytes, 1,000 unconfirmed at most, until the last is confirmed; as
// fast as can be without --rate.  --say is how the delay is told; from --delay-ms to --delay-to-ms they are
// mixed, in a fixed order.  `consume` takes until it has seen N different ones, or none for --patience-s
// (30): how many came, came twice, came early, and how late.  Both print one JSON object; instants are
// microseconds of the wall clock.
#include <cstdio>
#include <string_view>

#include "tests/bench/messages/messages.h"

int main(int argc, char** argv) {
  using namespace duly::bench;
  const std::string_view act = argc > 1 ? argv[1] : "";
  if (act != "publish" && act != "consume") {
    std::fprintf(stderr, "bench_messages: say publish or consume; see the head of its source\n");
    return 2;
  }
  const Flags flags(argc, argv, 2,
                    {"amqp", "exchange", "key", "count", "rate", "say", "delay-ms", "delay-to-ms",
                     "deliver-exchange", "message-ids", "queue", "patience-s"});
  Tally tally;
  if (act == "publish") {
    publish_messages(flags, tally);
  } else {
    consume_messages(flags, tally);
  }
  tally.print();
  return 0;
}
