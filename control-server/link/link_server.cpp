#include "control-server/link/link_server.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "common/base/log.h"
#include "common/model/limits.h"

namespace duly {

void LinkServer::accepted(std::unique_ptr<Link> link) {
  const SessionId session{next_session_++};
  const std::string peer = link->peer();
  if (links_.size() >= limits::kSessions || !submit_(SessionOpened{session, peer})) {
    log(LogLevel::warn, "link", "connection refused: too many", {{"peer", peer}});
    return;
  }
  Link& started = *links_.emplace(session, std::move(link)).first->second;
  started.start({[this, session](const Frame& frame) { received(session, frame); },
                 [this, session](const std::string& reason) { end(session, reason); }});
}

void LinkServer::received(SessionId session, const Frame& frame) {
  auto message = decode_agent_message(frame);
  if (!message) {
    log(LogLevel::warn, "link", "bad frame; connection closed",
        {{"peer", links_.at(session)->peer()}, {"error", message.error().what}});
    return end(session, message.error().what);
  }
  if (auto* hello = std::get_if<Hello>(&*message)) {
    const Link& link = *links_.at(session);
    if (const std::string why = lets_in(link, *hello); !why.empty()) {
      log(LogLevel::warn, "link", "agent refused",
          {{"peer", link.peer()}, {"agent", hello->name}, {"reason", why}});
      send(session, Refused{why});
      return end(session, "refused");
    }
  }
  if (!submit_(SessionSaid{session, std::move(*message)})) end(session, "the server is overloaded");
}

void LinkServer::require_tokens(const std::vector<std::string>& tokens) {
  tokens_.clear();
  for (const std::string& token : tokens) tokens_.push_back(sha256(token));
}

std::string LinkServer::lets_in(const Link& link, Hello& hello) const {
  const Digest said = sha256(std::exchange(hello.token, {}));
  bool known = tokens_.empty();
  // All of them: no answer comes sooner than another.
  for (const Digest& token : tokens_) known = same_digest(token, said) || known;
  if (!known) return "the agent token is missing or not known";
  if (!certificates_) return {};
  const std::vector<std::string> names = link.peer_names();
  if (std::find(names.begin(), names.end(), hello.name) != names.end()) return {};
  return "the certificate of this connection does not speak for the name '" + hello.name + "'";
}

void LinkServer::send(SessionId session, const ServerMessage& message) {
  const auto at = links_.find(session);
  if (at != links_.end()) at->second->send(encode(message));
}

void LinkServer::close(SessionId session, const std::string& reason) {
  const auto at = links_.find(session);
  if (at == links_.end()) return;
  at->second->close(reason);
  links_.erase(at);
}

void LinkServer::close_all(const std::string& reason) {
  std::vector<SessionId> sessions;
  for (const auto& [session, link] : links_) sessions.push_back(session);
  for (const SessionId session : sessions) end(session, reason);
}

void LinkServer::end(SessionId session, const std::string& reason) {
  const auto at = links_.find(session);
  if (at == links_.end()) return;
  at->second->close(reason);
  links_.erase(at);
  tell(SessionClosed{session, reason});
}

void LinkServer::tell(Input&& input) {
  untold_.push_back(std::move(input));
  while (!untold_.empty() && submit_(std::move(untold_.front()))) untold_.erase(untold_.begin());
}

}  // namespace duly
