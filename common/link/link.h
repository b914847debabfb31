// One connection of the link: whole frames in order, or it breaks.
//
// Contract (tests/contract/link_contract.h runs it against every implementation):
//  - frames arrive whole, in the order they were sent, each at most once;
//  - when anything is lost, everything after it is lost too, and on_closed runs exactly once;
//  - on_frame and on_closed run as tasks of the loop the link was made with, never inside send() or close();
//  - send() after the break, or beyond limits::kLinkSendBytes of unsent data, drops the frame (and breaks the
//  link);
//  - after close() or destruction neither callback runs again, and the peer sees the break.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/wire/frame.h"

namespace duly {

class Link {
 public:
  struct Events {
    std::function<void(Frame)> on_frame;
    std::function<void(std::string reason)> on_closed;
  };

  virtual ~Link() = default;
  // To be called once, before anything can arrive.  Loop thread.
  virtual void start(Events events) = 0;
  virtual void send(Frame frame) = 0;                  // loop thread
  virtual void close(std::string reason) = 0;          // loop thread
  [[nodiscard]] virtual std::string peer() const = 0;  // "127.0.0.1:40312", for people
  // Names of agents that the peer has shown a certificate for; none where nobody is asked for one.
  [[nodiscard]] virtual std::vector<std::string> peer_names() const { return {}; }
};

// Opens a link, or says why not; `done` runs once, as a task of the loop.
using LinkConnector = std::function<void(std::function<void(std::unique_ptr<Link>, std::string error)> done)>;

}  // namespace duly
