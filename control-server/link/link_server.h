// The server's side of the link: sessions by number, frames to engine inputs and engine messages to frames.
//
// Concurrency.  The thread of the loop whose links it is given.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/base/digest.h"
#include "common/link/link.h"
#include "control-server/core/inputs.h"

namespace duly {

class LinkServer {
 public:
  // `submit` gives an input to the engine; false = its mailbox is full.
  explicit LinkServer(std::function<bool(Input&&)> submit) : submit_(std::move(submit)) {}

  // From now on an agent must say one of these when it connects; those that are connected stay.
  void require_tokens(const std::vector<std::string>& tokens);
  // An agent must say a name that its certificate speaks for.
  void require_certificates() { certificates_ = true; }

  void accepted(std::unique_ptr<Link> link);
  void send(SessionId session, const ServerMessage& message);
  void close(SessionId session, const std::string& reason);
  void close_all(const std::string& reason);
  [[nodiscard]] std::size_t size() const { return links_.size(); }

 private:
  void received(SessionId session, const Frame& frame);
  // Why not; empty = it does.  Takes the token out of the hello: nobody behind this needs it.
  [[nodiscard]] std::string lets_in(const Link& link, Hello& hello) const;
  // Ends the session and tells the engine, even when its mailbox is full at the moment.
  void end(SessionId session, const std::string& reason);
  void tell(Input&& input);

  std::function<bool(Input&&)> submit_;
  std::vector<Digest> tokens_;  // empty = nobody is asked for one
  bool certificates_ = false;
  std::map<SessionId, std::unique_ptr<Link>> links_;
  std::uint64_t next_session_ = 1;
  std::vector<Input>
      untold_;  // ends of sessions that the mailbox had no room for; bounded by limits::kSessions
};

}  // namespace duly
