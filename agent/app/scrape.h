// One HTTP request for an agent's metrics, read and answered.  Pure: the sockets are metrics_server's.
//
// An agent answers two questions, without bodies, one a connection: less than the server's HTTP edge, and so
// little that there is not much to attack.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/digest.h"

namespace duly {

inline constexpr std::size_t kScrapeHeadBytes = 8192;

struct ScrapeDoor {
  std::vector<Digest> tokens;  // of what /metrics may be asked with; empty = everybody may
  bool loopback_only = true;   // answers for this machine's own names only: a page of a browser has others
};

// `head` is a request as far as its empty line.  The answer closes the connection.
std::string answer_scrape(std::string_view head, const ScrapeDoor& door,
                          const std::function<std::string()>& metrics);

// For what is wrong before there is a head: 400, 408, 431, 503.
std::string scrape_problem(int status);

}  // namespace duly
