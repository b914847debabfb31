// The Link over TCP: one socket of an AsioLoop.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/link/link.h"
#include "common/runtime/asio_loop.h"

namespace duly {

// Tries the addresses in turn, at most `limit` for each; the next call begins with the one after the last
// success.
LinkConnector asio_connector(AsioLoop& loop, std::vector<std::pair<std::string, std::uint16_t>> addresses,
                             Duration limit);

// Accepts links on an address.  Loop thread.
class AsioListener {
 public:
  using OnLink = std::function<void(std::unique_ptr<Link>)>;
  // Errors: the address is taken or is not one of this machine.
  static Result<std::unique_ptr<AsioListener>> open(AsioLoop& loop, const std::string& host,
                                                    std::uint16_t port, OnLink on_link);
  ~AsioListener();
  [[nodiscard]] std::uint16_t port() const;
  void close();

 private:
  struct State;
  explicit AsioListener(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace duly
