// The executor's side of the ledger: says what it does, and waits until that is written down.
#pragma once

#include <string>
#include <utility>

namespace duly::chaos {

// One connection to the ledger's Unix socket.  One thread.
class LedgerConnection {
 public:
  explicit LedgerConnection(std::string path) : path_(std::move(path)) {}
  ~LedgerConnection();
  LedgerConnection(const LedgerConnection&) = delete;
  LedgerConnection& operator=(const LedgerConnection&) = delete;

  // True once the ledger has written `line` (without its end).  It is sent at most once: a second try could
  // write a row for something that was done once.
  bool write(const std::string& line);

 private:
  bool connect();
  void close();
  bool send_all(const std::string& text) const;
  bool acknowledged() const;

  std::string path_;
  int socket_ = -1;
};

}  // namespace duly::chaos
