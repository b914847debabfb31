// What this machine's disk and broker can do without Duly: the numbers that Duly's are held against.
#pragma once

#include <string>

#include "tests/bench/tally.h"

namespace duly::bench {

// fdatasync of 4 KiB, and rows like ours into SQLite in batches, each for `seconds`, in files under `folder`.
void measure_disk(const std::string& folder, double seconds, Tally& tally);

// A quorum queue on the broker at `url`: `count` messages published, then as many published and consumed at
// once, then `single` of them one confirmed publish after the other.
void measure_broker(const std::string& url, long count, long single, Tally& tally);

}  // namespace duly::bench
