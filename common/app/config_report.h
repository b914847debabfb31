// What `config check` finds, a line each, and the exit code it ends with.  Main thread.
#pragma once

#include <string>

#include "common/amqp/rabbit_config.h"
#include "common/base/result.h"

namespace duly {

class ConfigReport {
 public:
  // "ok    http: 127.0.0.1:8080"
  void good(const std::string& what, const std::string& detail);
  // Something to know that is no mistake.
  void note(const std::string& what, const std::string& detail);
  // 1, unless one before it was worse.
  void bad(const std::string& what, const std::string& detail);
  // bad(), or good() with `detail`.
  void check(const std::string& what, const Status& status, const std::string& detail);

  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] bool all_good() const { return bad_ == 0; }
  // Prints all of it and what comes of it; answers the exit code: 0, or 1 when something is wrong.
  [[nodiscard]] int finish() const;

 private:
  void line(const char* mark, const std::string& what, const std::string& detail);

  std::string text_;
  int bad_ = 0;
};

// The broker's URL and its authorities; with `connect` also whether it lets us in.  The URL is not shown:
// there is a password in it.
void check_broker(ConfigReport& report, const RabbitConfig& config, bool connect);

// A file that the program will read: it is there, it may, and it is a file.  An error names it.
Status check_readable(const std::string& path);
// The folder is there and may be written to, or can be made.  An error names it.
Status check_writable_folder(const std::string& path);

}  // namespace duly
